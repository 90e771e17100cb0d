import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Namespace, Started } from "./netns.ts";

/** The stand-in for guests (wire/main.go), built for a run of tests. */
export interface Wire {
  /** For what the tests keep meanwhile. */
  readonly folder: string;
  readonly program: string;
  readonly remove: () => void;
}

export function buildWire(): Wire {
  const folder = mkdtempSync(join(tmpdir(), "ember-wire-"));
  const program = join(folder, "wire");
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" };
  execFileSync("go", ["build", "-o", program, "."], { cwd: join(import.meta.dirname, "wire"), env });
  return { folder, program, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const testPort = 7000;

/** All three ways to try an address. */
export const waysTo = (address: string, port: number = testPort): string[] => [
  `tcp:${address}:${port ?? testPort}`,
  `udp:${address}:${port ?? testPort}`,
  `icmp:${address}`,
];

/** Who answered what, by target; "" for nobody. */
export async function probe(
  wire: Wire,
  from: Namespace,
  targets: readonly string[],
  source = "",
): Promise<ReadonlyMap<string, string>> {
  const answers: unknown = JSON.parse(await from.runAside(wire.program, "probe", source, ...targets));
  if (typeof answers !== "object" || answers === null) throw new Error("wire printed no object");
  return new Map(
    Object.entries(answers).map(([target, answer]): [string, string] => [target, String(answer)]),
  );
}

/** Answers in the namespace with its name, over TCP and UDP. `heard` collects what UDP brought. */
export async function listen(wire: Wire, at: Namespace, name: string, port?: number): Promise<string[]> {
  const heard: string[] = [];
  await at.start(
    [wire.program, "listen", name, String(port ?? testPort)],
    (line: string) => void heard.push(line),
  );
  return heard;
}

/** Makes a guest of a namespace: its eth0 is the other end of the host's TAP. */
export async function plugIn(wire: Wire, host: Namespace, tap: string, guest: Namespace): Promise<Started> {
  return await host.start([wire.program, "join", tap, guest.file]);
}

/** Of these targets, those that answer. */
export async function reached(
  wire: Wire,
  from: Namespace,
  targets: readonly string[],
  source = "",
): Promise<string[]> {
  const answers = await probe(wire, from, targets, source);
  return targets.filter((target) => answers.get(target) !== "");
}
