import type { Progress } from "../../types.ts";
import type { Output } from "../terminal/output.ts";
import { progressLine, type RunningTask } from "./progress-line.ts";
import type { Look } from "./style.ts";

const redrawMs = 100;
/** What ends sooner is not announced: a line that flashes up only disturbs. */
const patienceMs = 200;

export interface ProgressHandle {
  update(progress: Progress): void;
  end(): void;
}

/** The one progress line of the process; drawn only where `enabled`, which is a terminal without --quiet. */
export class ProgressDisplay {
  private readonly tasks: RunningTask[] = [];
  private readonly output: Output;
  private readonly look: Look;
  private readonly now: () => number;
  private readonly enabled: boolean;
  private timer: ReturnType<typeof setInterval> | undefined;
  private frame = 0;
  private drawn = false;
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
    if (!this.drawn) return;
    this.output.write("\r\x1b[K");
    this.drawn = false;
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
    this.output.write(
      `\r${progressLine(this.tasks, this.frame, this.now(), this.currentLook(), this.prefix)}\x1b[K`,
    );
    this.drawn = true;
  }

  /** The terminal may have been resized since the last line. */
  private currentLook(): Look {
    return { ...this.look, width: Math.max(20, this.output.columns) };
  }
}
