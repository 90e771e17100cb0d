import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, openSync, readSync, truncateSync } from "node:fs";
import { join } from "node:path";
import {
  codeOf,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { dmThinOnFiles, forceDown } from "../../../test/contract/storage/factory-dm-thin.ts";
import { contextIn } from "../../../test/contract/storage/numbers.ts";
import { mib, scratchFolder, skipReason } from "../../../test/contract/storage/place.ts";
import { listDevices } from "../../host/dmsetup.ts";
import { attachLoop, detachLoops, growLoops } from "../../host/losetup.ts";
import { run } from "../../host/run.ts";
import { chooseDmThin } from "./choice.ts";
import { createDmThin } from "./driver.ts";
import { thinLayoutOf } from "./layout.ts";

setDefaultTimeout(600_000); // a guard against hanging, with the kernel in an emulated machine
const reason = skipReason("dm-thin: pools on devices", dmThinOnFiles);

/** A block device of 64 MiB, and a state folder. */
async function place() {
  const scratch = scratchFolder();
  const file = join(scratch.path, "disk");
  closeSync(openSync(file, "w"));
  truncateSync(file, 64 * mib);
  const stateDir = join(scratch.path, "state");
  return {
    file,
    stateDir,
    device: await attachLoop(file),
    context: contextIn(scratch.path),
    async [Symbol.asyncDispose]() {
      await forceDown(thinLayoutOf({ driver: "dm-thin", folder: join(stateDir, "storage") }));
      await detachLoops(file);
      this.context[Symbol.dispose]();
      scratch[Symbol.dispose]();
    },
  };
}

describe.skipIf(reason !== undefined)("a pool on a device", () => {
  test("takes the device as a whole, comes back, grows with it, and leaves it empty", async () => {
    await using it = await place();
    const { device, file, stateDir, context } = it;
    const { config, fresh } = await chooseDmThin({ stateDir, device });
    expect({ driver: config.driver, device: config.device, fresh }).toEqual({
      driver: "dm-thin",
      device,
      fresh: true,
    });
    const storage = createDmThin(config, context);
    await storage.init();
    await importSample(storage);
    await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
    await putVm(storage, 1, 0, 0x33);
    const before = await storage.usage();
    expect(before.capacityBytes).toBeLessThanOrEqual(64 * mib);
    expect(before.capacityBytes).toBeGreaterThan(60 * mib);
    await storage.diskUsage();
    await forceDown(thinLayoutOf(config));
    await createDmThin(config, context).open();
    await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
    truncateSync(file, 96 * mib);
    await growLoops(file);
    expect(await codeOf(storage.expand?.(80 * mib) ?? Promise.resolve())).toBe("invalid-size");
    await storage.expand?.(undefined);
    expect((await storage.usage()).capacityBytes).toBe(before.capacityBytes + 32 * mib);
    await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
    expect((await chooseDmThin({ stateDir, device })).fresh).toBe(false);
    expect(await codeOf(chooseDmThin({ stateDir: join(stateDir, "other"), device }))).toBe("wrong-state");
    await storage.deinit(true);
    expect(listDevices(thinLayoutOf(config).prefix)).toEqual([]);
    expect(existsSync(config.folder)).toBe(false);
    const start = Buffer.alloc(mib, 1);
    const opened = openSync(device, "r");
    readSync(opened, start, 0, mib, 0);
    closeSync(opened);
    expect(start.every((byte) => byte === 0)).toBe(true);
    expect((await chooseDmThin({ stateDir, device })).fresh).toBe(true);
  });

  test("is refused where something is, where nothing is, and with what does not fit", async () => {
    await using it = await place();
    const { device, stateDir } = it;
    const chosen = (wish: object) => codeOf(chooseDmThin({ stateDir, ...wish }));
    await run("mkfs.ext4", ["-q", device]);
    expect(await chosen({ device })).toBe("wrong-state");
    expect(await chosen({ device: it.file })).toBe("usage");
    expect(await chosen({ device: "/dev/nothing" })).toBe("usage");
    expect(await chosen({ device, sizeBytes: 64 * mib })).toBe("usage");
    expect(await chosen({ fileSystem: "xfs" })).toBe("usage");
    expect(await chosen({ pool: "p" })).toBe("usage");
    expect(await chosen({ sizeBytes: mib })).toBe("invalid-size");
    expect(await chosen({ sizeBytes: 64 * mib + 1 })).toBe("invalid-size");
    expect(["host-unsupported", "tool-missing"]).toContain(await chosen({ vdo: true }));
    const { config } = await chooseDmThin({ stateDir, sizeBytes: 64 * mib });
    expect(config).toMatchObject({ driver: "dm-thin", backingBytes: 64 * mib });
    expect(existsSync(config.backingFile ?? stateDir)).toBe(false); // choosing changes nothing
  });
});
