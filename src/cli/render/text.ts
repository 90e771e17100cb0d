/**
 * Text that came from an image, a guest or a file, as a terminal may see it: without control characters, which could
 * move the cursor or change the title, and without characters that turn the direction of writing.
 */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) =>
    character === "\t" ? " " : "?",
  );

/** Which part of a text matters when it is cut. */
export type Keep = "start" | "end" | "ends";

/** Cuts to `width` characters, marking the place. */
export function truncate(text: string, width: number, keep: Keep, ellipsis: string): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  const room = Math.max(0, width - ellipsis.length);
  const before = keep === "start" ? room : keep === "end" ? 0 : Math.ceil(room / 2);
  return [
    ...characters.slice(0, before),
    ellipsis,
    ...characters.slice(characters.length - room + before),
  ].join("");
}

/** Breaks a paragraph into lines of at most `width` characters; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === "" ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}

/** "1 VM", "2 VMs". */
export const plural = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
