import { BodyError, JsonReader } from "./json-reader.ts";

/** What a request's body may hold, in the words of Firecracker's own types: serde's errors name them. */
export type BodyType =
  | { readonly kind: "text" | "bool" }
  /** A text that must pass a check of its own; its error has no place. */
  | { readonly kind: "checked"; readonly fault: (text: string) => string | undefined }
  | { readonly kind: "path" }
  | { readonly kind: "integer"; readonly name: "u8" | "u16" | "u32" | "u64" | "usize" }
  | { readonly kind: "one-of"; readonly values: readonly string[] }
  | { readonly kind: "list"; readonly of: BodyType }
  | StructType;

export interface StructType {
  readonly kind: "struct";
  readonly name: string;
  readonly fields: Readonly<Record<string, Field>>;
}

export interface Field {
  readonly type: BodyType;
  /** Missing or null: null. */
  readonly optional?: true;
  /** Missing: this; null is refused. */
  readonly otherwise?: unknown;
}

export type Body = Readonly<Record<string, unknown>>;

const limits = { u8: 2 ** 8, u16: 2 ** 16, u32: 2 ** 32, u64: 2 ** 64, usize: 2 ** 64 } as const;

/** A body as Firecracker understands it, every field present. Throws the message of the refusal as a `BodyError`. */
export function readBody(bytes: Buffer, type: StructType): Body {
  const reader = new JsonReader(bytes);
  try {
    const body = readStruct(reader, type);
    reader.end();
    return body;
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    const place = error.place === undefined ? "" : ` at ${error.place}`;
    throw new BodyError(
      `An error occurred when deserializing the json body of a request: ${error.message}${place}.`,
    );
  }
}

function readStruct(reader: JsonReader, type: StructType): Body {
  if (reader.peek() === "[") throw emptySequence(reader, type);
  if (reader.peek() !== "{") throw wrongType(reader, `struct ${type.name}`);
  reader.skip();
  let body: Body | undefined;
  let fault: unknown;
  try {
    body = readFields(reader, type);
  } catch (error) {
    fault = error;
  }
  // As serde_json: the brace is taken also when there is an error, and only then is its place found.
  if (reader.peek() === "}") reader.skip();
  if (fault instanceof BodyError) fault.place ??= reader.here();
  if (body === undefined) throw fault;
  return body;
}

/** serde also takes a struct as a list of its fields; nobody sends that, so only the empty one is told apart. */
function emptySequence(reader: JsonReader, type: StructType): BodyError {
  reader.skip();
  if (reader.peek() === "]") reader.skip();
  const fields = Object.keys(type.fields).length;
  return reader.error(`invalid length 0, expected struct ${type.name} with ${fields} elements`);
}

function readFields(reader: JsonReader, type: StructType): Body {
  const found = new Map<string, unknown>();
  for (let first = true; ; first = false) {
    if (!nextKey(reader, first)) break;
    const name = reader.string();
    const field = type.fields[name];
    if (field === undefined)
      throw new BodyError(`unknown field \`${name}\`, ${expected(Object.keys(type.fields))}`);
    if (found.has(name)) throw new BodyError(`duplicate field \`${name}\``);
    const colon = reader.peek();
    if (colon === "") throw reader.peekError("EOF while parsing an object");
    if (colon !== ":") throw reader.peekError("expected `:`");
    reader.skip();
    found.set(name, readField(reader, field));
  }
  const entries = Object.entries(type.fields).map(([name, field]) => {
    if (found.has(name)) return [name, found.get(name)];
    if (field.optional) return [name, null];
    if ("otherwise" in field) return [name, field.otherwise];
    throw new BodyError(`missing field \`${name}\``);
  });
  return Object.fromEntries(entries);
}

/** Moves to the next key; false at the closing brace, which stays. */
function nextKey(reader: JsonReader, first: boolean): boolean {
  let next = reader.peek();
  if (next === "}") return false;
  if (next === "") throw reader.peekError("EOF while parsing an object");
  if (!first) {
    if (next !== ",") throw reader.peekError("expected `,` or `}`");
    reader.skip();
    next = reader.peek();
    if (next === "}") throw reader.peekError("trailing comma");
    if (next === "") throw reader.peekError("EOF while parsing a value");
  }
  if (next !== '"') throw reader.peekError("key must be a string");
  return true;
}

function readField(reader: JsonReader, field: Field): unknown {
  if (!field.optional || reader.peek() !== "n") return readValue(reader, field.type);
  reader.word("null");
  return null;
}

function readValue(reader: JsonReader, type: BodyType): unknown {
  switch (type.kind) {
    case "struct":
      return readStruct(reader, type);
    case "text":
      return reader.peek() === '"' ? reader.string() : raise(wrongType(reader, "a string"));
    case "path":
      return reader.peek() === '"' ? reader.string() : raise(wrongType(reader, "path string"));
    case "checked":
      return readChecked(reader, type.fault);
    case "bool":
      return readBool(reader);
    case "integer":
      return readInteger(reader, type.name);
    case "one-of":
      return readOneOf(reader, type.values);
    case "list":
      return readList(reader, type.of);
  }
}

function raise(error: BodyError): never {
  throw error;
}

function readChecked(reader: JsonReader, faultOf: (text: string) => string | undefined): string {
  const text = reader.peek() === '"' ? reader.string() : raise(wrongType(reader, "a string"));
  const fault = faultOf(text);
  if (fault !== undefined) throw new BodyError(fault);
  return text;
}

function readBool(reader: JsonReader): boolean {
  const next = reader.peek();
  if (next !== "t" && next !== "f") throw wrongType(reader, "a boolean");
  reader.word(next === "t" ? "true" : "false");
  return next === "t";
}

function readInteger(reader: JsonReader, name: keyof typeof limits): number {
  if (!/[-0-9]/.test(reader.peek())) throw wrongType(reader, name);
  const text = reader.number();
  const value = Number(text);
  if (!/^-?\d+$/.test(text)) throw reader.error(`invalid type: ${floatWords(value)}, expected ${name}`);
  if (value < 0 || value >= limits[name])
    throw reader.error(`invalid value: integer \`${text}\`, expected ${name}`);
  return value;
}

function readOneOf(reader: JsonReader, values: readonly string[]): string {
  if (reader.peek() !== '"') throw reader.peekError("expected value");
  const text = reader.string();
  if (!values.includes(text)) throw reader.error(`unknown variant \`${text}\`, ${expected(values)}`);
  return text;
}

function readList(reader: JsonReader, type: BodyType): unknown[] {
  if (reader.peek() !== "[") throw wrongType(reader, "a sequence");
  reader.skip();
  const items: unknown[] = [];
  while (reader.peek() !== "]") {
    if (items.length > 0) {
      if (reader.peek() !== ",") throw reader.peekError("expected `,` or `]`");
      reader.skip();
    }
    items.push(readValue(reader, type));
  }
  reader.skip();
  return items;
}

/** "invalid type: …", after the wrong value has been read; lists and objects are not. */
function wrongType(reader: JsonReader, wanted: string): BodyError {
  const found = unexpected(reader);
  return reader.error(`invalid type: ${found}, expected ${wanted}`);
}

function unexpected(reader: JsonReader): string {
  const next = reader.peek();
  if (next === "") throw reader.peekError("EOF while parsing a value");
  if (next === "[") return "sequence";
  if (next === "{") return "map";
  if (next === '"') return `string ${JSON.stringify(reader.string())}`;
  if (next === "n") {
    reader.word("null");
    return "null";
  }
  if (next === "t" || next === "f") {
    const word = next === "t" ? "true" : "false";
    reader.word(word);
    return `boolean \`${word}\``;
  }
  if (!/[-0-9]/.test(next)) throw reader.peekError("expected value");
  const text = reader.number();
  return /^-?\d+$/.test(text) ? `integer \`${text}\`` : floatWords(Number(text));
}

const floatWords = (value: number): string =>
  `floating point \`${Number.isInteger(value) ? value.toFixed(1) : value}\``;

function expected(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length <= 2) return `expected ${quoted.join(" or ")}`;
  return `expected one of ${quoted.join(", ")}`;
}
