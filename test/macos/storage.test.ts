import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setToolEnvironment } from "../../src/host/tools.ts";
import { apfsMeans, createApfs } from "../../src/storage/reflink/apfs.ts";
import { chooseApfs } from "../../src/storage/reflink/apfs-choice.ts";
import { codeOf } from "../contract/storage/disks.ts";
import { loopMount, mib } from "../contract/storage/place.ts";
import { storageContract } from "../contract/storage.ts";
import { reflinkOnApfs } from "./apfs.ts";

setToolEnvironment(process.env);

storageContract("reflink on APFS", reflinkOnApfs);

test("a folder that is not on APFS is refused with the remedy, and nothing is copied", async () => {
  await using place = await loopMount(["mkfs.ext4", "-q", "-F"], 16 * mib);
  const refused = await chooseApfs({ stateDir: place.path }).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: "storage-cannot-clone",
    message: expect.stringContaining("has the file system hfs, not APFS"),
    hint: expect.stringContaining("--storage-path"),
  });
  const storage = createApfs({ driver: "reflink", folder: join(place.path, "storage") });
  await expect(storage.init()).rejects.toMatchObject({
    code: "storage-cannot-clone",
    hint: expect.stringContaining("APFS"),
  });
});

test("clones do not cross volumes: that is said, and no file is left", async () => {
  await using one = await loopMount(["mkfs.xfs", "-q"], 301 * mib);
  await using other = await loopMount(["mkfs.xfs", "-q"], 301 * mib);
  const source = join(one.path, "source");
  const target = join(other.path, "target");
  writeFileSync(source, "data");
  const { share } = apfsMeans(() => undefined);
  const refused = await share(source, target).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: "storage-cannot-clone",
    message: expect.stringContaining("volumes"),
  });
  expect(await Bun.file(target).exists()).toBe(false);
});

test("what is there is not overwritten, and what is not there is named", async () => {
  await using place = await loopMount(["mkfs.xfs", "-q"], 301 * mib);
  const source = join(place.path, "source");
  writeFileSync(source, "data");
  writeFileSync(join(place.path, "target"), "other");
  const { share } = apfsMeans(() => undefined);
  await expect(share(source, join(place.path, "target"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(share(join(place.path, "absent"), join(place.path, "new"))).rejects.toMatchObject({
    code: "ENOENT",
  });
  expect(await Bun.file(join(place.path, "target")).text()).toBe("other");
});

test("a clone that takes more than a second is warned about", async () => {
  await using place = await loopMount(["mkfs.xfs", "-q"], 301 * mib);
  const source = join(place.path, "source");
  writeFileSync(source, "data");
  const notices: string[] = [];
  const times = [0, 900, 1000, 2500];
  const { share } = apfsMeans(
    (line) => notices.push(line),
    () => times.shift() ?? 0,
  );
  await share(source, join(place.path, "fast"));
  expect(notices).toEqual([]);
  await share(source, join(place.path, "slow"));
  expect(notices.join()).toContain("took 1.5 s");
});

test("a volume's name and place are told as they are", async () => {
  await using place = await loopMount(["mkfs.xfs", "-q"], 301 * mib);
  const stateDir = join(place.path, "a folder, with spaces");
  mkdirSync(stateDir);
  const { reason, config } = await chooseApfs({ stateDir });
  expect(reason).toContain(place.path);
  expect(await codeOf(createApfs(config).init())).toBe("no error");
});
