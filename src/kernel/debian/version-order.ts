/** Which of two Debian versions is newer: negative, 0 or positive (deb-version(7): epoch, upstream, revision). */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [split(left), split(right)];
  return a.epoch - b.epoch || comparePart(a.upstream, b.upstream) || comparePart(a.revision, b.revision);
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const [, epoch = "0", rest = ""] = /^(?:([0-9]+):)?(.*)$/s.exec(version) ?? [];
  const dash = rest.lastIndexOf("-");
  return {
    epoch: Number(epoch),
    upstream: dash === -1 ? rest : rest.slice(0, dash),
    revision: dash === -1 ? "" : rest.slice(dash + 1),
  };
}

/** Runs of other characters and runs of digits take turns; each pair of runs is compared in its own way. */
function comparePart(left: string, right: string): number {
  const [a, b] = [runs(left), runs(right)];
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [other, digits] = a[index] ?? ["", ""];
    const [otherB, digitsB] = b[index] ?? ["", ""];
    const order = compareText(other, otherB) || compareNumbers(digits, digitsB);
    if (order !== 0) return order;
  }
  return 0;
}

function runs(text: string): [other: string, digits: string][] {
  return [...text.matchAll(/([^0-9]*)([0-9]*)/g)].map(([, other = "", digits = ""]) => [other, digits]);
}

function compareNumbers(left: string, right: string): number {
  const difference = BigInt(left === "" ? "0" : left) - BigInt(right === "" ? "0" : right);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

function compareText(left: string, right: string): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = weight(left[index]) - weight(right[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** "~" sorts before the end, the end before letters, letters before all else. */
function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === "~") return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
