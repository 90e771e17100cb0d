import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { quoteCommand } from "../guest/quote.ts";
import { run } from "../host/run.ts";
import { version } from "../version.ts";

const main = join(import.meta.dir, "main.ts");

/** Runs a shell line in which `EMBER` stands for the program, as a process of its own. */
async function shell(line: string): Promise<{ status: number; stdout: string; stderr: string }> {
  const program = quoteCommand([process.execPath, main]);
  return await run("sh", ["-c", line.replaceAll("EMBER", program)], {
    okStatuses: [0, 1, 2, 3, 130, 141, 143],
  });
}

describe("the process", () => {
  test("prints the version", async () => {
    expect(await shell("EMBER version")).toMatchObject({
      status: 0,
      stdout: `ember ${version}\n`,
      stderr: "",
    });
    expect(await shell("EMBER --version")).toMatchObject({ status: 0, stdout: `ember ${version}\n` });
  });

  test("ends with the status of the error, which is on standard error alone", async () => {
    const { status, stdout, stderr } = await shell("EMBER vm lst");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toBe("error: unknown command 'vm lst'\nhint: did you mean 'ember vm list'?\n");
  });

  test("ends quietly when nobody reads its output", async () => {
    const { stderr } = await shell("EMBER completion bash | true; EMBER help | head -1; EMBER help >&-");
    expect(stderr).toBe("");
  });

  test("loses nothing of a long output, however slow the reader", async () => {
    const direct = await shell("EMBER completion bash");
    const slow = await shell("EMBER completion bash | (sleep 0.1; cat)");
    expect(slow.stdout).toBe(direct.stdout);
    expect(direct.stdout.length).toBeGreaterThan(10_000);
  });
});
