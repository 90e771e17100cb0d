import { EmberError } from "../../errors/ember-error.ts";

/** A disk's bytes as the guest sees them, whatever format the file has that holds them. */
export interface BlockReader extends AsyncDisposable {
  /** What it is called in errors. */
  readonly name: string;
  readonly sizeBytes: number;
  /**
   * Exactly `length` bytes, which the caller may neither change nor rely on after the next read. Throws `io-failed`
   * for what lies outside the disk.
   */
  read(offset: number, length: number): Promise<Buffer>;
}

/** Throws `io-failed` for a range that is not within the disk; offsets that a hostile disk gives end here. */
export function checkRange(
  disk: Pick<BlockReader, "name" | "sizeBytes">,
  offset: number,
  length: number,
): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (valid && offset + length <= disk.sizeBytes) return;
  throw new EmberError("io-failed", `'${disk.name}' refers to bytes behind its own end`, {
    hint: "the disk is damaged",
  });
}
