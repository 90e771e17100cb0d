/** What writes an image's disk: seconds of work of this one process. */
const writers: readonly string[] = ["bootstrap", "build", "import", "pull"];

/**
 * How JavaScriptCore is to run then. Its last compiler takes more time, within seconds, than its faster code gives back; and it
 * is to collect garbage as on a host with little memory, not wait for a share of this one's.
 */
const runtimeOptions: Readonly<Record<string, string>> = {
  BUN_JSC_useFTLJIT: "0",
  BUN_JSC_forceRAMSize: String(160 * 1024 ** 2),
};

/**
 * Begins a command that writes an image's disk anew, in this same process, with such a runtime: only the environment can ask for it,
 * and only before it starts. Of a pull of 1 GB, doing without the compiler saves 0.1 s of 3.4 s and 13 MB of 146; collecting costs
 * as much time for 10 MB of 139, and for 64 MB of 248 with 660,000 files. Does nothing outside of ember's executable.
 */
export function withSparingRuntime(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const [group = "", command = ""] = argv;
  if (group !== "image" || !writers.includes(command)) return;
  if (process.argv[1]?.startsWith("/$bunfs/") !== true) return;
  const missing = Object.entries(runtimeOptions).filter(([name]) => environment[name] === undefined);
  if (missing.length === 0) return;
  try {
    const env = { ...environment, ...Object.fromEntries(missing) };
    process.execve?.(process.execPath, [process.argv0, ...argv], env);
  } catch {
    // slower, then
  }
}
