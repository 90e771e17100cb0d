import { EmberError } from "../../errors/ember-error.ts";

/** As images and packages name it. */
export type GuestArchitecture = "amd64" | "arm64";

/** e_machine in an ELF header. */
const machines: Readonly<Record<GuestArchitecture, number>> = { amd64: 62, arm64: 183 };

export const elfHeaderBytes = 64;

/** What guests run on this host: virtualisation does not change the architecture. Throws `host-unsupported`. */
export function hostArchitecture(): GuestArchitecture {
  if (process.arch === "x64") return "amd64";
  if (process.arch === "arm64") return "arm64";
  throw new EmberError("host-unsupported", `ember has no guests for the processor '${process.arch}'`, {
    hint: "use an x86-64 or arm64 host",
  });
}

/** A guest binary. It is large, so what has to tell it from others asks for its digest. */
export interface GuestBinary {
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
  /** Throws `host-unsupported` when it is not for the architecture that was asked for. */
  read(): Uint8Array;
}

/** `bytes`, when they are a guest binary for `arch`. Throws `host-unsupported` when they are something else. */
export function checkGuestBinary(bytes: Buffer, arch: GuestArchitecture, from: string): Uint8Array {
  if (bytes.length > elfHeaderBytes && architectureOfElf(bytes) === arch) return bytes;
  throw notForArchitecture(arch, from);
}

/** Of a program whose first 64 bytes these are; undefined for what is no program, or one of another architecture. */
export function architectureOfElf(bytes: Buffer): GuestArchitecture | undefined {
  if (bytes.length < elfHeaderBytes || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const machine = bytes.readUInt16LE(18);
  if (machine === machines.amd64) return "amd64";
  return machine === machines.arm64 ? "arm64" : undefined;
}

export function notForArchitecture(arch: GuestArchitecture, from: string): EmberError {
  return new EmberError("host-unsupported", `'${from}' is not a guest binary for ${arch}`, {
    hint: "use the ember made for this architecture, or run 'make build' again",
  });
}
