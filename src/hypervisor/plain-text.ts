/**
 * What a guest or a program printed, safe to show on a terminal: without escape sequences, control characters and
 * what reverses or hides text; lines trimmed at their ends. Takes time in proportion to the input, whatever it is.
 */
export function plainText(text: string): string {
  return text
    .replace(escapeSequence, "")
    .replace(/[^\P{C}\n\t]|[\u2028\u2029]/gu, "")
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

// Control sequences (ESC [), strings such as window titles (ESC ] ... BEL), and the short ones.
const escapeSequence =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is being removed
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;

/** The last lines of a text that are not empty: at most `lines`, together at most about `characters` long. */
export function lastLines(text: string, lines: number, characters = 1000): string[] {
  const kept: string[] = [];
  let room = characters;
  const all = text.split("\n").filter((line) => line.trim() !== "");
  for (const line of all.slice(-lines).reverse()) {
    if (room <= 0) break;
    kept.unshift(line.length > room ? `${line.slice(0, room)}...` : line);
    room -= line.length;
  }
  return kept;
}
