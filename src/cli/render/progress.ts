import type { Progress } from "../../types.ts";
import type { Output } from "../terminal/output.ts";
import { progressLine, type RunningTask } from "./progress-line.ts";
import { partLines } from "./progress-parts.ts";
import type { Look } from "./style.ts";

const redrawMs = 100;
/** What ends sooner is not announced: a line that flashes up only disturbs. */
const patienceMs = 200;

export interface ProgressHandle {
  update(progress: Progress): void;
  end(): void;
}

/** The progress line of the process, under those of its parts where it has several; drawn only where `enabled`, which is a terminal without --quiet. */
export class ProgressDisplay {
  private readonly tasks: RunningTask[] = [];
  private readonly output: Output;
  private readonly look: Look;
  private readonly now: () => number;
  private readonly enabled: boolean;
  private timer: ReturnType<typeof setInterval> | undefined;
  private frame = 0;
  /** Lengths of the lines that stand on the terminal; the cursor is at the end of the last. */
  private drawn: readonly number[] = [];
  /** Put before every label: what is being done has become something else. */
  prefix = "";

  constructor(output: Output, look: Look, now: () => number, enabled: boolean) {
    this.output = output;
    this.look = look;
    this.now = now;
    this.enabled = enabled;
  }

  start(label: string): ProgressHandle {
    const task: RunningTask = { label, startedAtMs: this.now(), progress: undefined };
    this.tasks.push(task);
    if (this.enabled && this.timer === undefined) {
      this.timer = setInterval(() => this.draw(), redrawMs);
      this.timer.unref();
    }
    return {
      update: (progress) => {
        task.progress = progress;
      },
      end: () => {
        const position = this.tasks.indexOf(task);
        if (position !== -1) this.tasks.splice(position, 1);
        if (this.tasks.length === 0) this.stop();
      },
    };
  }

  /** What is going on, for a user who asks why it is not over yet. */
  describe(): string {
    return this.tasks
      .map(({ label, progress }) => (progress === undefined ? label : `${label} (${progress.step})`))
      .join(", ");
  }

  /** Takes the line away, so that something else can be written; the next redraw brings it back. */
  clear(): void {
    if (this.drawn.length === 0) return;
    this.output.write(`${this.toBegin()}\x1b[${this.drawn.length > 1 ? "J" : "K"}`);
    this.drawn = [];
  }

  /** Back to where the first line begins. A terminal that has become narrower has wrapped them. */
  private toBegin(): string {
    const columns = Math.max(1, this.output.columns);
    const rows = this.drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 0);
    return rows > 1 ? `\r\x1b[${rows - 1}A` : "\r";
  }

  /** Takes the line away for good; ends of tasks that are still running change nothing. */
  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.clear();
  }

  private draw(): void {
    const oldest = this.tasks[0];
    if (oldest === undefined || this.now() - oldest.startedAtMs < patienceMs) return;
    this.frame += 1;
    const look = this.currentLook();
    const parts = partLines(this.tasks.at(-1)?.progress?.parts ?? [], look, this.output.rows - 2);
    const lines = [...parts, progressLine(this.tasks, this.frame, this.now(), look, this.prefix)];
    const rest = lines.length < this.drawn.length ? "\x1b[J" : "";
    this.output.write(`${this.toBegin()}${lines.map((line) => `${line}\x1b[K`).join("\r\n")}${rest}`);
    this.drawn = lines.map(visibleLength);
  }

  /** The terminal may have been resized since the last line. */
  private currentLook(): Look {
    return { ...this.look, width: Math.max(20, this.output.columns) };
  }
}

/** Of a line whose only escape sequences are colours. */
const visibleLength = (line: string): number => [...line.replaceAll(colour, "")].length;
const colour = new RegExp(`${String.fromCharCode(27)}\\[[0-9]*m`, "g");
