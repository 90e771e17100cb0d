import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";

export interface SignedText {
  /** The clear-signed file; hostile until this function has returned. */
  readonly path: string;
  /** Receives what was signed, and nothing that stands around it. Must not exist. */
  readonly outputPath: string;
  /** Public keys, binary; a signature by any of them is enough. */
  readonly keyringPath: string;
}

const statusPrefix = "[GNUPG:] ";

/**
 * Checks a clear-signed text with gpgv. Post-condition: `outputPath` holds exactly the signed text, and one of the
 * keys, neither expired nor revoked, has signed it. When it throws, what `outputPath` holds must not be believed.
 * Throws `verification-failed` saying why, `tool-missing`, `interrupted`.
 */
export async function verifyClearSigned(file: SignedText, signal?: AbortSignal): Promise<void> {
  // Status 2 may mean no more than that one of several signatures is by a key that we lack: the status lines tell.
  const { status, stdout, stderr } = await run(
    "gpgv",
    ["--status-fd", "1", "--keyring", file.keyringPath, "--output", file.outputPath, "--", file.path],
    { okStatuses: [0, 1, 2], signal },
  );
  const problem = readStatus(stdout, status);
  if (problem === undefined) return;
  throw new EmberError("verification-failed", problem, {
    hint: "the file is damaged or not the publisher's: try again, or use another mirror",
    cause: new EmberError("tool-failed", `gpgv: ${stderr.trim()}`),
  });
}

export interface SignedFile {
  readonly path: string;
  /** The signature, armoured or not; hostile. */
  readonly signaturePath: string;
  /** Public keys, binary; a signature by any of them is enough. */
  readonly keyringPath: string;
}

/** What a file of a few gigabytes takes, and more. */
const detachedLimitMs = 600_000;

/**
 * Checks a file against a signature that lies beside it. Post-condition: one of the keys, neither expired nor revoked, has
 * signed exactly these bytes. Throws `verification-failed` saying why, `tool-missing`, `interrupted`.
 */
export async function verifyDetached(file: SignedFile, signal?: AbortSignal): Promise<void> {
  const { status, stdout, stderr } = await run(
    "gpgv",
    ["--status-fd", "1", "--keyring", file.keyringPath, "--", file.signaturePath, file.path],
    { okStatuses: [0, 1, 2], signal, timeoutMs: detachedLimitMs },
  );
  const problem = readDetachedStatus(stdout, status);
  if (problem === undefined) return;
  throw new EmberError("verification-failed", problem, {
    hint: "give the publisher's own signature and keys, and get the file again",
    cause: new EmberError("tool-failed", `gpgv: ${stderr.trim()}`),
  });
}

/** What is wrong with the signatures of a file, undefined when one is good and none is bad. */
export function readDetachedStatus(output: string, exitStatus: number): string | undefined {
  const words = statusWords(output);
  if (words.includes("NODATA")) return "there is no signature";
  return readSignatures(words, exitStatus);
}

/** What is wrong with a clear-signed text, undefined when one signature is good and none is bad. */
export function readStatus(output: string, exitStatus: number): string | undefined {
  const words = statusWords(output);
  const count = (word: string): number => words.filter((candidate) => candidate === word).length;
  if (count("BADSIG") > 0) return "the signature does not match the text";
  if (count("NODATA") > 0 || count("PLAINTEXT") === 0) return "there is no signed text";
  // Another text in the same file is how something unsigned would be slipped in.
  if (count("PLAINTEXT") > 1 || count("ERROR") > 0) return "the signed text is not well-formed";
  return readSignatures(words, exitStatus);
}

/** The first words of gpgv's status lines, which say what each is about. */
function statusWords(output: string): readonly string[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith(statusPrefix))
    .map((line) => line.slice(statusPrefix.length).split(" ")[0] ?? "");
}

function readSignatures(words: readonly string[], exitStatus: number): string | undefined {
  if (words.includes("BADSIG")) return "the signature does not match the text";
  if (!words.includes("GOODSIG") || !words.includes("VALIDSIG")) return unsigned(words);
  const unknownKeysOnly = exitStatus === 2 && words.includes("NO_PUBKEY");
  return exitStatus === 0 || unknownKeysOnly ? undefined : "the signature could not be checked";
}

function unsigned(words: readonly string[]): string {
  if (words.includes("EXPKEYSIG")) return "the key that signed the text has expired";
  if (words.includes("REVKEYSIG")) return "the key that signed the text has been revoked";
  if (words.includes("EXPSIG")) return "the signature has expired";
  return "the text is not signed by a key that is trusted here";
}
