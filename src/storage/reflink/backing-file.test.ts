import { describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  codeOf,
  expectBytes,
  imageBytes,
  imageId,
  importSample,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { reflinkOnOwnXfs } from "../../../test/contract/storage/factories.ts";
import {
  loopMount,
  mib,
  mountsAt,
  scratchFolder,
  skipReason,
  unmountAll,
} from "../../../test/contract/storage/place.ts";
import { errnoCode } from "../../errors/ember-error.ts";
import { loopsOf } from "../../host/losetup.ts";
import { run } from "../../host/run.ts";
import { createReflink } from "./driver.ts";
import { fileMedium } from "./file-medium.ts";
import { mountState } from "./mount.ts";

setDefaultTimeout(120_000);
const reason = skipReason("the storage's own XFS", reflinkOnOwnXfs);

/** A storage of its own with one image, and where its parts are. */
async function made() {
  const place = await reflinkOnOwnXfs.make();
  try {
    await place.storage.init();
    await importSample(place.storage);
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
  const { folder, backingFile: file = "" } = place.config;
  return {
    place,
    storage: place.storage,
    folder,
    file,
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

function stateOf({ folder, file }: { readonly folder: string; readonly file: string }): string {
  return mountState(
    folder,
    fileMedium(file, 0, () => undefined),
  );
}

describe.skipIf(reason !== undefined)("the storage's own XFS", () => {
  test("is sparse, private, mounted once, and gives back what is deleted", async () => {
    await using it = await made();
    expect(statSync(it.file).mode & 0o777).toBe(0o600);
    expect(await mountsAt(it.folder)).toBe(1);
    expect(loopsOf(it.file)).toHaveLength(1);
    await run("sync", ["-f", it.folder]);
    const before = statSync(it.file).blocks;
    const filler = join(it.folder, "filler");
    writeFileSync(filler, Buffer.alloc(40 * mib, 7));
    await run("sync", ["-f", it.folder]);
    expect(statSync(it.file).blocks - before).toBeGreaterThan((30 * mib) / 512);
    rmSync(filler);
    await run("sync", ["-f", it.folder]);
    for (
      let attempts = 0;
      attempts < 100 && statSync(it.file).blocks - before > (10 * mib) / 512;
      attempts += 1
    ) {
      await run("sync", ["-f", it.folder]);
      await Bun.sleep(50); // inodes are freed, and their blocks given back, in the background
    }
    expect(statSync(it.file).blocks - before).toBeLessThan((10 * mib) / 512);
  });

  test("is mounted again by open after a reboot, once, however many commands do it at once", async () => {
    await using it = await made();
    await unmountAll(it.folder);
    expect(stateOf(it)).toBe("no");
    await Promise.all(Array.from({ length: 6 }, () => it.place.again().open()));
    expect(await mountsAt(it.folder)).toBe(1);
    expect(loopsOf(it.file)).toHaveLength(1);
    expect((await it.storage.list()).imageIds).toEqual([imageId]);
  });

  test("is set up once when two inits run at once", async () => {
    await using place = await reflinkOnOwnXfs.make();
    await Promise.all([place.storage.init(), place.again().init()]);
    expect(await mountsAt(place.config.folder)).toBe(1);
    expect(readdirSync(dirname(place.config.folder)).sort()).toEqual(["storage", "storage.xfs"]);
  });

  test("comes back with a log to recover", async () => {
    await using it = await made();
    const disk = await it.storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
    await run("xfs_io", ["-x", "-c", "shutdown -f", it.folder]); // as power loss: the log is there, nothing else is written
    await unmountAll(it.folder);
    await it.place.again().open();
    await expectBytes(disk, { 0: 0x11, [mib]: 0x22 });
  });

  test("that has shut itself down is mounted again by open", async () => {
    await using it = await made();
    await run("xfs_io", ["-x", "-c", "shutdown", it.folder]);
    expect(await codeOf(it.storage.list())).toBe("io-failed");
    await it.storage.open();
    expect((await it.storage.list()).imageIds).toEqual([imageId]);
    expect(await mountsAt(it.folder)).toBe(1);
  });

  test("cannot be mounted by another user, who is told what to do", async () => {
    await using it = await made();
    const getuid = spyOn(process, "getuid").mockReturnValue(1000);
    try {
      await it.storage.open(); // mounted: anybody's
      expect(await codeOf(it.storage.deinit(false))).toBe("permission-denied");
      getuid.mockReturnValue(0);
      await unmountAll(it.folder);
      getuid.mockReturnValue(1000);
      expect(await codeOf(it.storage.open())).toBe("permission-denied");
      expect(await codeOf(it.storage.init())).toBe("permission-denied");
    } finally {
      getuid.mockRestore();
    }
  });

  test("is never formatted again, nor is anything that is not ember's", async () => {
    await using it = await made();
    await it.storage.deinit(false);
    expect(loopsOf(it.file)).toEqual([]);
    await it.storage.init();
    expect((await it.storage.list()).imageIds).toEqual([imageId]);
    await it.storage.deinit(true);
    for (const content of ["", "somebody's file", "XFSB but not the rest of it"]) {
      writeFileSync(it.file, content);
      expect(await codeOf(it.storage.init())).toBe("io-failed");
      expect(statSync(it.file).size).toBe(content.length);
    }
    rmSync(it.file);
    truncateSync(openClosed(it.file), 301 * mib);
    await run("mkfs.xfs", ["-q", "-L", "other", it.file]);
    expect(await codeOf(it.storage.init())).toBe("io-failed");
  });

  test("whose making was killed is made by running init again", async () => {
    await using place = await reflinkOnOwnXfs.make();
    const { folder, backingFile: file = "" } = place.config;
    const left = `${file}.new--999999999-${"0".repeat(12)}-00000000.tmp`;
    writeFileSync(left, "half a file system");
    mkdirSync(folder);
    await place.storage.init();
    expect(existsSync(left)).toBe(false);
    await unmountAll(folder); // killed between mkfs and mount
    await place.storage.init();
    rmSync(join(folder, "vms"), { recursive: true }); // killed between mount and the folders
    await place.storage.init();
    expect(await place.storage.list()).toEqual({ imageIds: [], vmIds: [], snapshots: [] });
  });

  test("that a program in another mount namespace still sees is taken down, and mounted again", async () => {
    await using it = await made();
    {
      using _ = await inAnotherMountNamespace();
      await it.storage.deinit(false);
      expect(loopsOf(it.file)).toEqual([]);
      await it.storage.init();
    }
    {
      using _ = await inAnotherMountNamespace();
      await run("umount", [it.folder]); // killed behind that, and once more beside the new folder
      const left = `${it.folder}.new--999999999-${"0".repeat(12)}-00000000.tmp`;
      mkdirSync(left);
      await it.storage.deinit(false);
      expect(loopsOf(it.file)).toEqual([]);
      expect(existsSync(left)).toBe(false);
      await it.storage.init();
    }
    using _ = await inAnotherMountNamespace();
    await run("xfs_io", ["-x", "-c", "shutdown", it.folder]);
    await it.storage.open();
    expect((await it.storage.list()).imageIds).toEqual([imageId]);
  });

  test("that is gone, or hidden by another mount, is said to be", async () => {
    await using it = await made();
    await unmountAll(it.folder);
    const kept = `${it.file}.kept`;
    renameSync(it.file, kept);
    expect(await codeOf(it.storage.open())).toBe("io-failed");
    await run("cp", ["--sparse=always", kept, it.file]);
    await run("mount", ["-t", "tmpfs", "none", it.folder]);
    expect(stateOf(it)).toBe("other");
    expect(await codeOf(it.storage.open())).toBe("io-failed");
    await unmountAll(it.folder);
    await run("mount", ["-o", "loop", kept, it.folder]); // the same content, but not the file
    expect(await codeOf(it.storage.open())).toBe("io-failed");
  });

  test("is not mounted over files, and not taken down while it is used", async () => {
    await using it = await made();
    const held = openSync(join(it.folder, "vms"), "r");
    expect(await codeOf(it.storage.deinit(true))).toBe("busy");
    closeSync(held);
    expect((await it.storage.list()).imageIds).toEqual([imageId]);
    await it.storage.deinit(true);
    mkdirSync(it.folder);
    writeFileSync(join(it.folder, "thesis.txt"), "years of work");
    expect(await codeOf(it.storage.init())).toBe("already-initialized");
    expect(existsSync(it.file)).toBe(false);
  });

  test("is refused in a size that XFS does not have", async () => {
    using place = scratchFolder();
    const folder = join(place.path, "storage");
    for (const backingBytes of [0, 299 * mib, Number.NaN]) {
      const storage = createReflink({
        driver: "reflink",
        folder,
        backingFile: `${folder}.xfs`,
        backingBytes,
      });
      expect(await codeOf(storage.init())).toBe("invalid-size");
    }
  });

  test("on a full host file system reports a full disk, not an input/output error", async () => {
    await using host = await loopMount(["mkfs.ext4", "-q", "-F", "-m", "0"], 160 * mib);
    const folder = join(host.path, "storage");
    const storage = createReflink({
      driver: "reflink",
      folder,
      backingFile: `${folder}.xfs`,
      backingBytes: 400 * mib,
    });
    try {
      await storage.init();
      await importSample(storage);
      expect((await storage.usage()).freeBytes).toBeLessThan(160 * mib);
      writeUntilFull(join(host.path, "filler"));
      expect((await storage.usage()).freeBytes).toBeLessThan(mib);
      const clone = storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
      expect(await codeOf(clone)).toBe("disk-full");
      // Room enough to begin, but not to finish: only writing to the disk tells, and says EIO.
      truncateSync(join(host.path, "filler"), statSync(join(host.path, "filler")).size - 24 * mib);
      expect(await codeOf(importSample(storage, vmId(2), 64 * mib))).toBe("disk-full");
      expect((await storage.list()).imageIds).toEqual([imageId]);
      rmSync(join(host.path, "filler"));
      await storage.open();
      expect((await storage.list()).imageIds).toEqual([imageId]);
    } finally {
      await unmountAll(folder);
    }
  });
});

function openClosed(path: string): string {
  closeSync(openSync(path, "w"));
  return path;
}

function writeUntilFull(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(65_536, 1));
  } catch (error) {
    if (errnoCode(error) !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

/** A program that inherits the mounts there are, as one in a container does, and hears of no unmounting. */
async function inAnotherMountNamespace(): Promise<Disposable> {
  const program = spawn("unshare", ["--mount", "sh", "-c", "echo there; exec sleep 600"]);
  await once(program.stdout, "data");
  return { [Symbol.dispose]: () => program.kill("SIGKILL") };
}
