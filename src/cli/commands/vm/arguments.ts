import { type Flag, toggle, value } from "../../parser/flag.ts";
import { count, reference, vmName } from "../../parser/kinds.ts";
import { many, one, type Positional } from "../../parser/positional.ts";
import { size } from "../../parser/size.ts";

/** Arguments and flags that several VM commands share. */
export const nameArgument: Positional<string> = one("NAME", vmName, "name of the VM", { complete: "vm" });

export const namesArgument: Positional<readonly string[]> = many("NAME", vmName, "names of VMs", {
  complete: "vm",
});

export const cpusFlag = (defaultText: string): Flag<number | undefined> =>
  value("cpus", "N", count, "virtual processors", { default: defaultText });

export const memoryFlag = (defaultText: string): Flag<number | undefined> =>
  value("memory", "SIZE", size, "memory, such as 512M or 4G", { default: defaultText });

export const diskSizeFlag = (defaultText: string): Flag<number | undefined> =>
  value("disk-size", "SIZE", size, "size of the disk, which fills only as it is written", {
    default: defaultText,
  });

export const kernelFlag = (defaultText: string): Flag<string | undefined> =>
  value("kernel", "KERNEL", reference, "name of a kernel, or path of a kernel file", {
    default: defaultText,
    complete: "kernel",
  });

export const noStartFlag: Flag<boolean> = toggle("no-start", "make the VM, but do not start it");

export const fullCopyFlag: Flag<boolean> = toggle(
  "full-copy",
  "copy the disk where the storage cannot share blocks (slow, and takes the space)",
);
