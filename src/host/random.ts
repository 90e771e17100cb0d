/**
 * Random text from the runtime's own generator. `node:crypto` is left out of what every command loads: loading it costs
 * more than opening the database.
 */
export function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** Eight hex digits that stand for a text, the same each time (FNV-1a, 32 bits): for names, not for security. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
