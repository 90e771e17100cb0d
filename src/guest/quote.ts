/**
 * One word of a POSIX shell's command line that stands for exactly `text`. The one place that quotes for sh.
 * A NUL cannot be part of any argument: the caller refuses it before it comes here.
 */
export function quoteForShell(text: string): string {
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A command line that a POSIX shell splits into exactly these arguments. */
export function quoteCommand(argv: readonly string[]): string {
  return argv.map(quoteForShell).join(" ");
}
