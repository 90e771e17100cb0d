import type { ByteString } from "../tar/bytes.ts";

const pieceBytes = 1 << 16;
const pieceShift = 16;
/** Each text stands behind its length. */
const lengthBytes = 2;

/** Texts as bytes, one behind the other. None is ever given up. */
export class Texts {
  readonly #pieces: Buffer[] = [];
  #used = pieceBytes;

  /** Keeps a text, which must be shorter than a path can be; returns where it is. */
  put(text: ByteString): number {
    const length = lengthBytes + text.length;
    if (this.#used + length > pieceBytes) {
      this.#pieces.push(Buffer.allocUnsafeSlow(pieceBytes));
      this.#used = 0;
    }
    const index = this.#pieces.length - 1;
    const start = this.#used;
    const piece = this.#pieces[index] ?? none;
    piece.writeUInt16LE(text.length, start);
    piece.write(text, start + lengthBytes, "latin1");
    this.#used += length;
    return index * pieceBytes + start;
  }

  get(at: number): ByteString {
    const piece = this.#pieces[at >>> pieceShift] ?? none;
    const start = (at % pieceBytes) + lengthBytes;
    return piece.toString("latin1", start, start + piece.readUInt16LE(start - lengthBytes));
  }

  /** Whether the text at that place is this one. */
  is(at: number, text: ByteString): boolean {
    const piece = this.#pieces[at >>> pieceShift] ?? none;
    const start = (at % pieceBytes) + lengthBytes;
    if (piece.readUInt16LE(start - lengthBytes) !== text.length) return false;
    for (let index = 0; index < text.length; index++)
      if (piece[start + index] !== text.charCodeAt(index)) return false;
    return true;
  }
}

const none = Buffer.alloc(0);
