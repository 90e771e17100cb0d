import { afterAll } from "bun:test";
import { hypervisorContract } from "../../../test/contract/hypervisor.ts";
import { vzTools } from "../../../test/support/vz.ts";
import { setToolEnvironment } from "../../host/tools.ts";
import { createVz } from "./driver.ts";

const tools = vzTools();
if (tools !== undefined) setToolEnvironment({ PATH: tools.folder });
afterAll(() => tools?.remove());

await hypervisorContract("vz", createVz);
