import { createHash, createPrivateKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { EmberError } from "../errors/ember-error.ts";

/** An ed25519 key pair in OpenSSH's own formats. The private half is a secret: it belongs in 0600 files only. */
export interface KeyPair {
  /** "-----BEGIN OPENSSH PRIVATE KEY-----...", not encrypted. */
  readonly privateKey: string;
  /** "ssh-ed25519 AAAA... comment", without a line end. */
  readonly publicKey: string;
}

const keyType = "ssh-ed25519";

/** Makes a new key pair. `comment` must be one line. */
export function makeKeyPair(comment: string): KeyPair {
  if (/[\r\n\0]/.test(comment)) throw new EmberError("internal", "a key's comment must be one line");
  // PKCS#8 of an ed25519 key (RFC 8410) ends with its 32-byte seed, SPKI with its 32-byte point.
  const { privateKey, publicKey } = generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "der" },
    publicKeyEncoding: { type: "spki", format: "der" },
  });
  const seed = privateKey.subarray(-32);
  const point = publicKey.subarray(-32);
  return { privateKey: encodePrivate(seed, point, comment), publicKey: encodePublicLine(point, comment) };
}

/** The wire form of the key in a "ssh-ed25519 AAAA... comment" line. Throws `invalid-config` for anything else. */
export function publicKeyBlob(line: string): Buffer {
  const [type, encoded] = line.trim().split(/\s+/);
  const blob = Buffer.from(encoded ?? "", "base64");
  if (type !== keyType || blob.length !== 51 || !blob.subarray(0, 19).equals(blobHead)) {
    throw new EmberError("invalid-config", `'${line.slice(0, 40)}' is not an ${keyType} public key`);
  }
  return blob;
}

/** "SHA256:..." as `ssh-keygen -l` prints it, of a key's wire form. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** Whether node:crypto can sign with the private key of a pair made here; throws when it is not one. */
export function publicKeyOf(privateKey: string, comment: string): string {
  const seed = decodeSeed(privateKey);
  // RFC 8410: the fixed PKCS#8 head of an ed25519 key, then the seed.
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const jwk = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "jwk" });
  return encodePublicLine(Buffer.from(jwk.x ?? "", "base64url"), comment);
}

function field(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The first 19 bytes of every ed25519 public key's wire form: its type and the length of what follows. */
const blobHead: Buffer = Buffer.concat([field(keyType), Buffer.from([0, 0, 0, 32])]);

function encodePublicLine(point: Uint8Array, comment: string): string {
  const encoded = Buffer.concat([blobHead, point]).toString("base64");
  return `${keyType} ${encoded} ${comment}`.trimEnd();
}

const magic = "openssh-key-v1\0";
const beginLine = "-----BEGIN OPENSSH PRIVATE KEY-----";
const endLine = "-----END OPENSSH PRIVATE KEY-----";

/** OpenSSH's PROTOCOL.key: no cipher, no key derivation, one key. */
function encodePrivate(seed: Uint8Array, point: Uint8Array, comment: string): string {
  const check = randomBytes(4); // twice the same number: how a reader sees that decryption worked
  const secret = Buffer.concat([
    check,
    check,
    field(keyType),
    field(point),
    field(Buffer.concat([seed, point])),
    field(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const body = Buffer.concat([
    Buffer.from(magic),
    field("none"),
    field("none"),
    field(""),
    Buffer.from([0, 0, 0, 1]),
    field(Buffer.concat([blobHead, point])),
    field(Buffer.concat([secret, padding])),
  ]);
  const lines = body.toString("base64").match(/.{1,70}/g) ?? [];
  return `${[beginLine, ...lines, endLine].join("\n")}\n`;
}

/** The seed inside a private key of ember's own making (fixed layout, not a general reader). */
function decodeSeed(privateKey: string): Buffer {
  const body = Buffer.from(privateKey.replace(beginLine, "").replace(endLine, ""), "base64");
  // magic, "none", "none", "", count, public blob (51), length of the secret part, two check numbers, type, point
  const offset = magic.length + 8 + 8 + 4 + 4 + 55 + 4 + 8 + 15 + 36 + 4;
  if (!privateKey.startsWith(beginLine) || body.length < offset + 64) {
    throw new EmberError("invalid-config", "a private key is not of the form that ember writes");
  }
  return body.subarray(offset, offset + 32);
}
