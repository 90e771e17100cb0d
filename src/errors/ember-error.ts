import { catalogue, type ErrorCode } from "./catalogue.ts";

/**
 * The one error that ember throws. `message` says what happened to what, `hint` says what to do;
 * both are one line, lower case, without a full stop at the end of the message.
 */
export class EmberError extends Error {
  override readonly name = "EmberError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  /** Process exit status, 1 to 5, as architecture.md section 6 lays down. */
  get exitStatus(): number {
    return catalogue[this.code].exit;
  }
}

/** `value` as an EmberError: itself, or an `internal` one (system errors get a code that fits). */
export function toEmberError(value: unknown): EmberError {
  if (value instanceof EmberError) return value;
  const message = value instanceof Error ? value.message : String(value);
  switch (errnoCode(value)) {
    case "ENOSPC":
    case "EDQUOT":
      return new EmberError("disk-full", message, { hint: "free some space, then try again", cause: value });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new EmberError("permission-denied", message, {
        hint: "run as the user who owns the state folder, or choose another with --state-dir",
        cause: value,
      });
    case "ENOENT":
    case "EIO":
    case "ENOTDIR":
    case "EISDIR":
      return new EmberError("io-failed", message, { cause: value });
    case "ABORT_ERR":
      return new EmberError("interrupted", "interrupted", { cause: value });
    default:
      return new EmberError("internal", message, {
        hint: "this is a fault in ember: run again with --verbose and report what it prints",
        cause: value,
      });
  }
}

/** The `code` of a Node system error ("ENOENT", ...), if `value` is one. */
export function errnoCode(value: unknown): string | undefined {
  if (typeof value === "object" && value !== null && "code" in value && typeof value.code === "string") {
    return value.code;
  }
  return undefined;
}
