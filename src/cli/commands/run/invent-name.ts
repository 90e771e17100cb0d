const letters = "abcdefghjkmnpqrstuvwxyz23456789";

/** A VM name that tells what it was made from: "nginx-k7q2xv". */
export function inventName(image: string): string {
  const last = image.replace(/@.*$/, "").split("/").at(-1) ?? "";
  const stem = last
    .replace(/:.*$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40);
  const random = crypto.getRandomValues(new Uint32Array(6));
  const suffix = Array.from(random, (number) => letters[number % letters.length]).join("");
  return `${stem === "" ? "vm" : stem}-${suffix}`;
}
