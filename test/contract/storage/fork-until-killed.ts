// Forks one VM again and again, and notes each fork that is done, until it is killed.
import { appendFileSync } from "node:fs";
import { parseStorageConfig } from "../../../src/storage/config.ts";
import { createQcow2 } from "../../../src/storage/qcow2/driver.ts";
import { createReflink } from "../../../src/storage/reflink/driver.ts";

const [driver, config = "", source = "", round = "", progress = ""] = process.argv.slice(2);
const create = driver === "qcow2" ? createQcow2 : createReflink;
const storage = create(parseStorageConfig(config));
await storage.open();
console.log("begins");
for (let number = 0; ; number += 1) {
  const vmId = `${round}${number.toString().padStart(12, "0")}`;
  await storage.cloneVm({ vmId: source }, { vmId }, { sizeBytes: 2 * 1024 ** 2 });
  appendFileSync(progress, `${vmId}\n`);
}
