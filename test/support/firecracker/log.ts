import { appendFileSync, writeSync } from "node:fs";

const levels = ["off", "error", "warn", "info", "debug", "trace"];

/** Firecracker's log: to standard output until it is told of a file. */
export class Log {
  readonly #id: string;
  #path: string | undefined;
  #level = "info";
  #showLevel = false;

  constructor(id: string) {
    this.#id = id;
  }

  /** Null leaves as it is, but for the level, which goes back to Info. Throws when the file cannot be written. */
  update(path: string | null, level: string | null, showLevel: boolean | null): void {
    this.#level = (level ?? "info").toLowerCase().replace("warning", "warn");
    if (path !== null) {
      appendFileSync(path, "");
      this.#path = path;
    }
    this.#showLevel = showLevel ?? this.#showLevel;
  }

  info(thread: "main" | "fc_api", message: string): void {
    this.#write("info", thread, message);
  }

  error(thread: "main" | "fc_api", message: string): void {
    this.#write("error", thread, message);
  }

  #write(level: string, thread: string, message: string): void {
    if (levels.indexOf(level) > levels.indexOf(this.#level)) return;
    const time = new Date().toISOString().replace("Z", "000000");
    const shown = this.#showLevel ? `:${level.toUpperCase()}` : "";
    const line = `${time} [${this.#id}:${thread}${shown}] ${message}\n`;
    if (this.#path === undefined) writeOut(line);
    else appendFileSync(this.#path, line);
  }
}

function writeOut(line: string): void {
  try {
    writeSync(1, line);
  } catch {
    // as Firecracker: a log that nobody reads is lost
  }
}
