import { EmberError } from "../../errors/ember-error.ts";

const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g;

/** Public keys in the form that gpgv takes, from a file that may be armoured, as publishers put them on pages. Throws `usage`. */
export function binaryKeys(file: Buffer, path: string): Buffer {
  if (!file.subarray(0, 64).toString("latin1").trimStart().startsWith("-----")) return file;
  const parts = [...file.toString("latin1").matchAll(block)].map(([, body = ""]) => dearmour(body));
  if (parts.length > 0) return Buffer.concat(parts);
  throw new EmberError("usage", `there is no public key in '${path}'`, {
    hint: "export it with: gpg --export KEY > FILE",
  });
}

/** Headers end with an empty line; a checksum, which gpgv does not need, begins with "=". */
function dearmour(body: string): Buffer {
  const lines = body.split(/\r?\n/);
  const start = lines.findIndex((line) => line.trim() === "");
  const content = lines.slice(start + 1).filter((line) => !line.startsWith("="));
  return Buffer.from(content.join(""), "base64");
}
