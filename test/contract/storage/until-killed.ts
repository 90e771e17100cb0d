// Does one thing to a storage again and again, and notes each that is done, until it is killed.
import { appendFileSync } from "node:fs";
import { storageDrivers } from "#platform";
import { setToolEnvironment } from "../../../src/host/tools.ts";
import { parseStorageConfig } from "../../../src/storage/config.ts";
import { contextIn } from "./numbers.ts";

setToolEnvironment(process.env);

const [work, config = "", numbersFolder = "", vmId = "", round = "", progress = ""] = process.argv.slice(2);
const parsed = parseStorageConfig(config);
const storage = await storageDrivers[parsed.driver]?.(parsed, contextIn(numbersFolder));
if (storage === undefined) throw new Error(`no driver '${parsed.driver}'`);
await storage.open();
console.log("begins");
for (let number = 0; ; number += 1) {
  const id = (Number(round) * 2 ** 32 + number).toString(16).padStart(16, "0");
  switch (work) {
    case "fork":
      await storage.cloneVm({ vmId }, { vmId: id }, { sizeBytes: 2 * 1024 ** 2 });
      break;
    case "snapshot":
      await storage.snapshot({ vmId, snapshotId: id });
      break;
    case "restore":
      await storage.restore({ vmId, snapshotId: number % 2 === 0 ? "aaaaaaaa" : "bbbbbbbb" });
      break;
    default:
      throw new Error(`what is '${work}'?`);
  }
  appendFileSync(progress, `${id}\n`);
}
