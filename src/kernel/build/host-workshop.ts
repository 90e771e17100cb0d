import { createReadStream } from "node:fs";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { noteBuilder } from "./builder-process.ts";
import { notMade, readAtMost, unpackArguments, type Workshop } from "./workshop.ts";

/** Compiles on this host, in a private folder that is the caller's to remove. */
export function hostWorkshop(folder: string): Workshop {
  return {
    async unpack(tarball, task) {
      const target = join(folder, "src");
      await mkdir(target, { mode: 0o700 });
      await run("tar", [...unpackArguments, "--file", tarball, "--directory", target], {
        signal: task.signal,
        timeoutMs: 3_600_000,
        contained: true,
      });
      await mkdir(join(folder, "out"), { mode: 0o700 });
      await rm(tarball, { force: true });
    },
    write: async (name, text) => await writeFile(join(folder, name), text, { mode: 0o600, flag: "wx" }),
    async read(path, limitBytes) {
      const file = join(folder, path);
      const facts = await stat(file).catch((error: unknown) => {
        if (errnoCode(error) === "ENOENT") throw notMade(path);
        throw error;
      });
      if (!facts.isFile()) throw notMade(path);
      return await readAtMost(createReadStream(file, { highWaterMark: 1024 ** 2 }), limitBytes);
    },
    async run(tool, args, options) {
      const onStarted = (pid: number): void => noteBuilder(folder, pid);
      await run(tool, args, { ...options, cwd: join(folder, "src"), contained: true, onStarted });
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** The kernel's makefiles split paths at spaces and colons. Throws `unsupported`. */
export function refuseUnusable(folder: string): void {
  if (!/[\s:]/.test(folder)) return;
  throw new EmberError(
    "unsupported",
    `a kernel cannot be built below '${folder}': its makefiles take no spaces or colons`,
    { hint: "build it in a container (--container), or in a state folder with another path (--state-dir)" },
  );
}
