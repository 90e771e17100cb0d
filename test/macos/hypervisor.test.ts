import { setToolEnvironment } from "../../src/host/tools.ts";
import { createVz } from "../../src/hypervisor/vz/driver.ts";
import { hypervisorContract } from "../contract/hypervisor.ts";

setToolEnvironment(process.env);

await hypervisorContract("vz", createVz);
