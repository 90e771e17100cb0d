/** A request's body is refused: serde_json's words, with where it had got to. */
export class BodyError extends Error {
  /** Undefined for what a type found wrong by itself: the struct around it says where it was. */
  place: string | undefined;

  constructor(what: string, place?: string) {
    super(what);
    this.place = place;
  }
}

/** Reads JSON byte by byte as serde_json does, so that its errors and their columns come out the same. */
export class JsonReader {
  readonly #bytes: Buffer;
  #index = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** At what has been read so far. */
  error(what: string): BodyError {
    return new BodyError(what, this.here());
  }

  /** At the byte that comes next. */
  peekError(what: string): BodyError {
    return new BodyError(what, this.#place(Math.min(this.#bytes.length, this.#index + 1)));
  }

  here(): string {
    return this.#place(this.#index);
  }

  #place(index: number): string {
    const read = this.#bytes.subarray(0, index);
    const lines = read.toString("latin1").split("\n");
    return `line ${lines.length} column ${lines.at(-1)?.length ?? 0}`;
  }

  /** The next character that is no white space, "" at the end. */
  peek(): string {
    while (/^[ \n\t\r]$/.test(this.#at(this.#index))) this.#index++;
    return this.#at(this.#index);
  }

  #at(index: number): string {
    return index < this.#bytes.length ? String.fromCharCode(this.#bytes.readUInt8(index)) : "";
  }

  skip(): void {
    this.#index++;
  }

  /** The rest of "true", "false" or "null". */
  word(word: string): void {
    for (const letter of word) {
      const next = this.#at(this.#index);
      if (next === "") throw this.error("EOF while parsing a value");
      this.#index++;
      if (next !== letter) throw this.error("expected ident");
    }
  }

  /** A string, the reader being at its opening quote. */
  string(): string {
    const start = this.#index;
    this.#index++;
    for (;;) {
      const next = this.#at(this.#index);
      if (next === "") throw this.error("EOF while parsing a string");
      if (next < " ") {
        this.#index++;
        throw this.error("control character (\\u0000-\\u001F) found while parsing a string");
      }
      this.#index += next === "\\" ? 2 : 1;
      if (next === '"') break;
    }
    const value = parseJson(this.#bytes.toString("utf8", start, this.#index));
    if (typeof value !== "string") throw this.error("invalid escape");
    return value;
  }

  /** A number as it stands in the text. */
  number(): string {
    const rest = this.#bytes.toString("latin1", this.#index);
    const text = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/.exec(rest)?.[0];
    if (text === undefined) {
      this.#index++;
      throw this.error("invalid number");
    }
    this.#index += text.length;
    return text;
  }

  /** Throws unless nothing but white space is left. */
  end(): void {
    if (this.peek() !== "") throw this.peekError("trailing characters");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an escape that there is not
  }
}
