/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  /** Undefined: none, not even a length. */
  readonly body?: string;
  /** The request used what a later version will not have. */
  readonly deprecated?: boolean;
}

export const done: Answer = { status: 204 };

export const json = (value: unknown): Answer => ({ status: 200, body: JSON.stringify(value) });

/** The request is refused with this message. */
export class Refusal extends Error {}

export const refusal = (message: string): Answer => ({
  status: 400,
  body: JSON.stringify({ fault_message: message }),
});

const words: Readonly<Record<string, readonly [number, string]>> = {
  EPERM: [1, "Operation not permitted"],
  ENOENT: [2, "No such file or directory"],
  EBADF: [9, "Bad file descriptor"],
  EACCES: [13, "Permission denied"],
  EBUSY: [16, "Device or resource busy"],
  EEXIST: [17, "File exists"],
  ENODEV: [19, "No such device"],
  ENOTDIR: [20, "Not a directory"],
  EISDIR: [21, "Is a directory"],
  EINVAL: [22, "Invalid argument"],
  EMFILE: [24, "Too many open files"],
  EROFS: [30, "Read-only file system"],
  ENAMETOOLONG: [36, "File name too long"],
  ELOOP: [40, "Too many levels of symbolic links"],
  EADDRINUSE: [98, "Address already in use"],
  ECONNREFUSED: [111, "Connection refused"],
};

/** A system error in Rust's words. */
export function systemErrorWords(code: string): string {
  const [number, text] = words[code] ?? [0, code];
  return `${text} (os error ${number})`;
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
}

/** The name of an error number. */
export function codeOfNumber(errno: number): string {
  return Object.entries(words).find(([, [number]]) => number === errno)?.[0] ?? `errno ${errno}`;
}
