/** What writes an image's disk: seconds of work of this one process. */
const writers: readonly string[] = ["bootstrap", "build", "import", "pull"];

const optOut = "BUN_JSC_useFTLJIT";

/**
 * Begins a command that writes an image's disk anew, in this same process, without the last of JavaScriptCore's compilers: within
 * seconds that takes more than its faster code gives back (a 1 GB image: 0.4 s of 5.2 s of processor time, and 15 MB). Only the
 * environment can say so, and only before the runtime starts. Does nothing outside of ember's executable.
 */
export function withoutLastCompiler(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const [group = "", command = ""] = argv;
  if (group !== "image" || !writers.includes(command)) return;
  if (process.argv[1]?.startsWith("/$bunfs/") !== true || environment[optOut] !== undefined) return;
  try {
    process.execve?.(process.execPath, [process.argv0, ...argv], { ...environment, [optOut]: "0" });
  } catch {
    // slower, then
  }
}
