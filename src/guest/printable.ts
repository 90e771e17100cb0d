/**
 * Text that came from a guest, made fit for an error message: control characters (which could drive the user's
 * terminal) become "?", and it is cut after `limit` characters.
 */
export function printable(text: string, limit = 300): string {
  const shown = text.length > limit ? `${text.slice(0, limit)}...` : text;
  return shown.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
