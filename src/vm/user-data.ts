import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import type { VmRecord } from "../state/vms.ts";

/** It travels in the initrd, and clouds themselves take less. */
const mostBytes = 256 * 1024;

/** Throws `invalid-config` for what cloud-init could not be given. */
export function checkUserData(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= mostBytes && !text.includes("\0")) return text;
  const why = bytes > mostBytes ? "is larger than 256 KiB" : "is no text";
  throw new EmberError("invalid-config", `the user-data ${why}`, {
    hint: "let a short one fetch the rest: #include, or a script",
  });
}

/** What the guest says on its console; see guest/internal/cloudinit. */
const unread = "ember-guest: the image has no cloud-init";

/** Only the guest can tell whether there is anybody to read it. */
export function tellUnread(installation: Installation, vm: VmRecord): void {
  if (vm.userData === "" || vm.startedAt === null) return;
  try {
    const path = join(installation.paths.vmFolder(vm.id), "console.log");
    if (!readFileSync(path, "utf8").includes(unread)) return;
  } catch {
    return; // the hypervisor made none
  }
  installation.notice(`nothing reads the user-data: image '${vm.imageName}' has no cloud-init`);
}
