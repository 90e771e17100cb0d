import { readFile } from "node:fs/promises";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";

/**
 * The authorized_keys line that belongs to a private key: from its .pub file, else from the key itself (OpenSSH's own
 * format keeps the public half unencrypted). Throws `file-not-found`, `invalid-config`.
 */
export async function publicKeyOf(path: string): Promise<string> {
  const publicFile = path.endsWith(".pub") ? path : `${path}.pub`;
  const beside = await readIfThere(publicFile);
  if (beside !== undefined) return checkLine(beside, publicFile);
  const key = path.endsWith(".pub") ? undefined : await readIfThere(path);
  if (key === undefined) {
    throw new EmberError("file-not-found", `the SSH key '${path}' is not there`, {
      hint: `make one: ssh-keygen -t ed25519 -f '${path}'`,
    });
  }
  const line = publicHalf(key);
  if (line !== undefined) return line;
  throw new EmberError("invalid-config", `the public half of '${path}' cannot be told`, {
    hint: `write it beside the key: ssh-keygen -y -f '${path}' > '${publicFile}'`,
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function checkLine(content: string, path: string): string {
  const line = content.split("\n").find((candidate) => candidate.trim() !== "" && !candidate.startsWith("#"));
  if (line !== undefined && /^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( |$)/.test(line.trim())) return line.trim();
  throw new EmberError("invalid-config", `'${path}' holds no public key`, {
    hint: "it should hold one line such as: ssh-ed25519 AAAA... name",
  });
}

const magic = "openssh-key-v1\0";

/** PROTOCOL.key of OpenSSH: magic, cipher, kdf, kdf options, number of keys, public key, (encrypted) private part. */
function publicHalf(key: string): string | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(key)?.[1];
  if (body === undefined) return undefined;
  const bytes = Buffer.from(body, "base64");
  if (bytes.toString("latin1", 0, magic.length) !== magic) return undefined;
  let offset = magic.length;
  const next = (): Buffer | undefined => {
    if (offset + 4 > bytes.length) return undefined;
    const start = offset + 4;
    offset = start + bytes.readUInt32BE(offset);
    return offset <= bytes.length ? bytes.subarray(start, offset) : undefined;
  };
  for (let skipped = 0; skipped < 3; skipped++) if (next() === undefined) return undefined;
  offset += 4;
  const blob = next();
  if (blob === undefined || blob.length < 4) return undefined;
  const type = blob.toString("latin1", 4, 4 + blob.readUInt32BE(0));
  return /^[a-z0-9@.-]+$/.test(type) ? `${type} ${blob.toString("base64")}` : undefined;
}
