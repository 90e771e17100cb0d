// Builds the source that the arguments name, for a test that kills this process: FOLDER TARBALL SHA256 [RUNTIME PATH].
import { join } from "node:path";
import { setToolEnvironment } from "../../host/tools.ts";
import { buildKernel } from "../build/build.ts";

const [folder = "", from = "", sha256 = "", runtime, path] = process.argv.slice(2);
setToolEnvironment({ PATH: path });
await buildKernel(
  { kernelsDir: join(folder, "kernels"), cacheDir: join(folder, "cache") },
  {
    name: "mine",
    source: { from, sha256 },
    output: join(folder, "made"),
    ...(runtime === undefined ? {} : { container: { runtime } }),
  },
  (body) => body(),
);
