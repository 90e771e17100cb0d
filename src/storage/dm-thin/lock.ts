import { PassThrough } from "node:stream";
import { EmberError } from "../../errors/ember-error.ts";
import { runStreaming } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";

const waitSeconds = 600; // an import copies without the lock; all else is short

/**
 * Does `work` while no other command does so in that folder. The kernel's lock is held by a child that ends with this
 * process however that ends. Not to be nested. Throws `busy` when another command holds it too long.
 */
export async function withLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const input = new PassThrough();
  const holder = runStreaming(
    "flock",
    ["--no-fork", "--exclusive", "--timeout", String(waitSeconds), folder, findTool("cat")],
    // Contained: a group of its own, so that an interrupt at the terminal does not take the lock away.
    { input, timeoutMs: 24 * 3_600_000, contained: true },
  );
  input.write("held\n"); // comes back once the lock is there
  const held = await new Promise<boolean>((resolve) => {
    holder.stdout.once("data", () => resolve(true));
    holder.stdout.once("close", () => resolve(false));
  });
  if (!held) {
    await holder.done.catch((error: unknown) => {
      if (!(error instanceof EmberError) || error.code !== "tool-failed") throw error;
    });
    throw new EmberError("busy", `another command has been at work in '${folder}' for ${waitSeconds} s`, {
      hint: `'fuser -v ${folder}' tells which; wait for it, or end it, then try again`,
    });
  }
  try {
    return await work();
  } finally {
    input.end();
    holder.stdout.resume();
    await holder.done.catch(() => undefined); // it held the lock for as long as it was needed
  }
}
