/** One word for a POSIX shell that arrives exactly as given. */
function quoteWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command line for a POSIX shell that runs exactly these words. The only place that quotes. */
export const quoteForShell = (words: readonly string[]): string => words.map(quoteWord).join(" ");
