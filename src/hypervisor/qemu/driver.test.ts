import { hypervisorContract } from "../../../test/contract/hypervisor.ts";
import { createQemu } from "./driver.ts";

await hypervisorContract("qemu", createQemu);
