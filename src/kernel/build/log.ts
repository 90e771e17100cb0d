import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { ensurePrivateFolder } from "../../host/files.ts";

/** Everything that the tools of one build print. */
export interface BuildLog extends Disposable {
  readonly path: string;
  write(chunk: Uint8Array): void;
}

/** Begins a log anew. */
export function openLog(path: string): BuildLog {
  ensurePrivateFolder(dirname(path));
  const file = openSync(path, "w", 0o600);
  return {
    path,
    write: (chunk) => {
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

const tailLines = 15;

/** Its last lines, without those that only say what was being compiled: the failure of one of many compilers is among them. */
export function logTail(log: BuildLog): string {
  return readFileSync(log.path, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^ {2}[A-Z0-9]+ +[^ ]+$/.test(line))
    .slice(-tailLines)
    .map((line) => (line.length > 300 ? `${line.slice(0, 297)}...` : line))
    .join("\n");
}
