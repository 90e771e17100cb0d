import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import * as der from "../host/der.ts";
import type { NetworkAuthority } from "./policy.ts";

const ecdsaWithSha256 = der.sequence(der.objectIdentifier("1.2.840.10045.4.3.2"));
const commonName = "2.5.4.3";
const year = 365.25 * 24 * 3_600_000;
const validMs = 10 * year;
/** A guest's clock may be behind at its first connection. */
const earlierMs = 24 * 3_600_000;

/**
 * A new certificate authority that may sign for hosts and for no further authorities (RFC 5280), with its key: ECDSA on P-256,
 * which every TLS client knows. `vmName` is in its name, so that people can tell whose it is.
 */
export function makeAuthority(vmName: string, now: Date = new Date()): NetworkAuthority {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicInfo = publicKey.export({ type: "spki", format: "der" });
  const name = nameOf(`ember authority of ${vmName}`);
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and always of the same length
  const body = der.sequence(
    der.numbered(0, der.integer(Buffer.from([2]))), // version 3
    der.integer(serial),
    ecdsaWithSha256,
    name,
    der.sequence(der.time(new Date(now.getTime() - earlierMs)), der.time(new Date(now.getTime() + validMs))),
    name,
    publicInfo,
    der.numbered(3, der.sequence(...extensions(publicInfo))),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = der.sequence(body, ecdsaWithSha256, der.bits(signature));
  return {
    certificate: pem("CERTIFICATE", certificate),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function nameOf(text: string): Buffer {
  return der.sequence(der.set(der.sequence(der.objectIdentifier(commonName), der.utf8(text))));
}

/** Basic constraints, key usage (certificates and revocation lists) and the key's identifier. */
function extensions(publicInfo: Uint8Array): readonly Buffer[] {
  const extension = (id: string, critical: boolean, content: Uint8Array): Buffer =>
    der.sequence(der.objectIdentifier(id), ...(critical ? [der.boolean(true)] : []), der.octets(content));
  const keyId = createHash("sha1").update(publicInfo).digest();
  return [
    extension("2.5.29.19", true, der.sequence(der.boolean(true), der.integer(Buffer.from([0])))),
    extension("2.5.29.15", true, der.bits(Buffer.from([0x06]), 1)),
    extension("2.5.29.14", false, der.octets(keyId)),
  ];
}

function pem(kind: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}
