import { createHash, X509Certificate } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { shown } from "../reference.ts";

const largestBytes = 1024 * 1024;

/**
 * A folder in the form in which skopeo takes certificates, with those of `file` (PEM) in it. It is named by its
 * content, so commands that use the same share it, and it is right whatever became of the command that made it. Throws
 * `file-not-found`, and `usage` for a file that holds no certificate.
 */
export function certificateFolder(stateDir: string, file: string): string {
  const content = certificatesIn(file);
  const name = createHash("sha256").update(content).digest("hex");
  const folder = join(stateDir, "certificates", name);
  ensurePrivateFolder(join(stateDir, "certificates"));
  ensurePrivateFolder(folder);
  writeFileSync(join(folder, "ca.crt"), content, { mode: 0o600 });
  return folder;
}

/** Only the certificates: a private key beside them in the file stays where it is. */
function certificatesIn(file: string): string {
  const found = read(file).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length > 0 && found.every(isCertificate)) return `${found.join("\n")}\n`;
  throw new EmberError("usage", `'${shown(file)}' holds no certificate`, {
    hint: "give the certificate of the registry's authority in PEM form: -----BEGIN CERTIFICATE-----",
  });
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false; // whatever is wrong with it, it is of no use
  }
}

function read(file: string): string {
  try {
    const facts = statSync(file);
    return facts.isFile() && facts.size <= largestBytes ? readFileSync(file, "utf8") : "";
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(errnoCode(error) ?? "")) throw error;
    throw new EmberError("file-not-found", `there is no file '${shown(file)}' of certificates`);
  }
}
