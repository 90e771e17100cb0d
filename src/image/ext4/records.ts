/** As many records as a piece of memory holds: 128 KiB. */
const perPiece = 4096;
const pieceShift = 12;
/** 8 fields a record. */
const fieldShift = 3;

/**
 * Records of up to 8 unsigned 32-bit fields, by number from 0 on; all fields of a new one are 0. An image has a hundred thousand
 * names: as objects they would take ten times the memory, and the collector's time. Growing copies nothing.
 */
export class Records {
  readonly #pieces: Uint32Array[] = [];
  #count = 0;

  /** Adds a record; returns its number. */
  add(): number {
    if (this.#count % perPiece === 0) this.#pieces.push(new Uint32Array(perPiece << fieldShift));
    return this.#count++;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  get(record: number, field: number): number {
    const piece = this.#pieces[record >>> pieceShift] ?? none;
    return piece[((record & (perPiece - 1)) << fieldShift) | field] ?? 0;
  }

  set(record: number, field: number, value: number): void {
    const piece = this.#pieces[record >>> pieceShift] ?? none;
    piece[((record & (perPiece - 1)) << fieldShift) | field] = value;
  }
}

const none = new Uint32Array(0);
