/** An image's name as tables show it: what Docker's users leave out is left out. JSON always has the full name. */
export function shortImage(name: string): string {
  return name.replace(/^docker\.io\/(library\/)?/, "").replace(/:latest$/, "");
}
