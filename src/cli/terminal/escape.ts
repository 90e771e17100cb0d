import { Transform, type TransformCallback } from "node:stream";

const tilde = 0x7e;
const dot = 0x2e;

/** Copies keys to the guest; `~.` at the start of a line, as with OpenSSH, calls `leave` instead. */
export class EscapeFilter extends Transform {
  private state: "line-start" | "after-tilde" | "inside" = "line-start";
  private readonly leave: () => void;

  constructor(leave: () => void) {
    super();
    this.leave = leave;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const kept: number[] = [];
    for (const byte of chunk) {
      if (this.state === "after-tilde") {
        if (byte === dot) {
          this.leave();
          done();
          return;
        }
        kept.push(tilde);
        if (byte !== tilde) kept.push(byte);
        this.state = isNewline(byte) ? "line-start" : "inside";
      } else if (this.state === "line-start" && byte === tilde) {
        this.state = "after-tilde";
      } else {
        kept.push(byte);
        this.state = isNewline(byte) ? "line-start" : "inside";
      }
    }
    done(null, Buffer.from(kept));
  }
}

const isNewline = (byte: number): boolean => byte === 0x0d || byte === 0x0a;
