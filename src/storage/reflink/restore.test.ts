import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  codeOf,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { reflinkOnBtrfs, reflinkOnOwnXfs } from "../../../test/contract/storage/factories.ts";
import { skipReason } from "../../../test/contract/storage/place.ts";
import { isLocked } from "../../host/file-locks.ts";
import { run } from "../../host/run.ts";

setDefaultTimeout(120_000);

for (const [name, factory] of Object.entries({ btrfs: reflinkOnBtrfs, XFS: reflinkOnOwnXfs })) {
  const reason = skipReason(`restoring on ${name}`, factory);
  describe.skipIf(reason !== undefined)(`restoring on ${name}`, () => {
    test("is refused while a hypervisor has the disk open, and works once it has not", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await storage.init();
      await importSample(storage);
      const vm = { vmId: vmId(1) };
      const { path } = await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
      const snapshot = { ...vm, snapshotId: vmId(5) };
      await storage.snapshot(snapshot);
      const abort = new AbortController();
      const holder = run("qemu-io", ["-f", "raw", "-c", "sleep 60000", path], { signal: abort.signal });
      holder.catch(() => undefined); // awaited below
      try {
        for (let attempts = 0; attempts < 500 && !isLocked(path); attempts += 1) await Bun.sleep(20);
        expect(await codeOf(storage.restore(snapshot))).toBe("wrong-state");
      } finally {
        abort.abort();
        await codeOf(holder);
      }
      for (let attempts = 0; attempts < 500 && isLocked(path); attempts += 1) await Bun.sleep(20);
      await storage.restore(snapshot);
      await expectVm(storage, 1, { 0: 0x11 });
    });
  });
}
