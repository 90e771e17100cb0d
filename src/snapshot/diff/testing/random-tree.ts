import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "../../../host/run.ts";

/** Does something to a tree `steps` times: makes, changes, moves and removes files of all kinds. */
export async function shuffle(folder: string, steps: number, roll: (below: number) => number): Promise<void> {
  for (let step = 0; step < steps; step += 1) await change(folder, roll);
}

async function change(root: string, roll: (below: number) => number): Promise<void> {
  const paths = allPaths(root);
  const any = paths[roll(paths.length)] ?? root;
  const folders = [root, ...paths.filter((path) => path.length < 1000 && lstatSync(path).isDirectory())];
  const folder = folders[roll(folders.length)] ?? root;
  const fresh = join(folder, `${["f", "Ünïcödé-", "x".repeat(100)][roll(3)]}${roll(1_000_000)}`);
  const facts = lstatSync(any);
  switch (roll(16)) {
    case 0:
      return mkdirSync(fresh);
    case 1:
      return symlinkSync("t".repeat(1 + roll(10) ** 3), fresh);
    case 2:
      return void (await run("mknod", [
        fresh,
        roll(2) === 0 ? "c" : "b",
        String(roll(300)),
        String(roll(70_000)),
      ]));
    case 3:
      return void (await run("mkfifo", [fresh]));
    case 4:
      if (facts.isFile()) linkSync(any, fresh);
      return;
    case 5:
      return chmodSync(facts.isSymbolicLink() ? folder : any, roll(0o7777));
    case 6:
      return facts.isSymbolicLink() ? undefined : chownSync(any, roll(100_000), roll(100_000));
    case 7:
      return any === root ? undefined : rmSync(any, { recursive: true });
    case 8:
      if (facts.isFile() && any !== fresh) renameSync(any, fresh);
      return;
    case 9:
      return writeSparse(fresh, roll);
    case 10:
      return facts.isFile() ? overwrite(any, roll) : undefined;
    case 11:
      return await attribute(any, `trusted.${roll(4)}`, roll(12) ** 3);
    case 12:
      for (let number = 0; number < 300; number += 1) writeFileSync(`${fresh}-${number}`, "");
      return;
    default:
      return writeFileSync(fresh, randomBytes(roll(20) ** 4, roll));
  }
}

/** Not all kinds of ext4 have room for large ones. */
async function attribute(path: string, name: string, valueBytes: number): Promise<void> {
  const args = ["-h", "-n", name, "-v", "v".repeat(valueBytes), path];
  await run("setfattr", args, { okStatuses: [0, 1] });
}

function allPaths(folder: string): string[] {
  const paths: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "lost+found") continue;
    const path = join(folder, entry.name);
    paths.push(path, ...(entry.isDirectory() ? allPaths(path) : []));
  }
  return paths.sort();
}

function randomBytes(length: number, roll: (below: number) => number): Buffer {
  return Buffer.alloc(length, Buffer.from([roll(256), roll(256), roll(256), roll(256)]));
}

/** A file of many extents with holes between them. */
function writeSparse(path: string, roll: (below: number) => number): void {
  const file = openSync(path, "w");
  for (let number = 0; number < 1 + roll(60); number += 1) {
    writeSync(file, randomBytes(1 + roll(9000), roll), 0, undefined, roll(60_000_000));
  }
  ftruncateSync(file, roll(70_000_000));
  closeSync(file);
}

function overwrite(path: string, roll: (below: number) => number): void {
  const file = openSync(path, "r+");
  writeSync(file, randomBytes(1 + roll(5000), roll), 0, undefined, roll(20_000));
  closeSync(file);
}
