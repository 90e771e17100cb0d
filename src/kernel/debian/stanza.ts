/** One paragraph of Debian's control format (deb822(5)): field names in lower case, continuation lines kept. */
export type Stanza = ReadonlyMap<string, string>;

/** Reads one paragraph. Comments are dropped, lines that are no field are ignored, the first of two fields counts. */
export function parseStanza(text: string): Stanza {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    if (/^[ \t]/.test(line)) {
      if (current !== undefined) fields.set(current, `${fields.get(current)}\n${line.trim()}`);
      continue;
    }
    const field = /^([!-9;-~]+):(.*)$/.exec(line);
    current = field?.[1]?.toLowerCase();
    if (current === undefined) continue;
    if (fields.has(current)) current = undefined;
    else fields.set(current, field?.[2]?.trim() ?? "");
  }
  return fields;
}

/** All paragraphs of a text: blank lines stand between them. */
export function parseStanzas(text: string): Stanza[] {
  return text
    .split(/\n[ \t]*\n/)
    .map(parseStanza)
    .filter((stanza) => stanza.size > 0);
}

/** The words of a field, however many lines it has. */
export function wordsOf(stanza: Stanza, field: string): string[] {
  return (stanza.get(field) ?? "").split(/\s+/).filter((word) => word !== "");
}
