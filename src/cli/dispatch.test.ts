import { describe, expect, test } from "bun:test";
import { EmberError } from "../errors/ember-error.ts";
import type { TaskOptions } from "../types.ts";
import { version } from "../version.ts";
import { SignalInterruption } from "./interruption.ts";
import { type CliOptions, type Controls, runCli } from "./testing/run-cli.ts";

/** Starts a VM in a library that waits until it is told to stop, and then runs `whileUndoing` before it gives up. */
async function interrupted(
  signals: readonly ("SIGINT" | "SIGTERM")[],
  options: CliOptions = {},
): ReturnType<typeof runCli> {
  let controls: Controls | undefined;
  const start = async (_name: string, { signal, onProgress }: TaskOptions = {}): Promise<void> => {
    onProgress?.({ step: "stopping the guest" });
    for (const name of signals) controls?.interruption.receive(name);
    signal?.throwIfAborted();
  };
  return await runCli(["vm", "start", "web"], {
    ...options,
    vms: { start },
    onStart: (given) => {
      controls = given;
    },
  });
}

describe("interruption", () => {
  test("the status is 128 + the signal's number", async () => {
    expect(await interrupted(["SIGINT"])).toMatchObject({ status: 130, stderr: "error: interrupted\n" });
    expect((await interrupted(["SIGTERM"])).status).toBe(143);
  });

  test("a second request says what is being undone, a third ends the process", async () => {
    const second = await interrupted(["SIGINT", "SIGINT"]);
    expect(second.stderr).toContain("still undoing: starting web (stopping the guest)");
    expect(second.exits).toEqual([]);
    expect((await interrupted(["SIGINT", "SIGINT", "SIGINT"])).exits).toEqual([130]);
  });

  test("`interrupted` without a signal is an ordinary failure", async () => {
    const start = async (): Promise<void> => {
      throw new EmberError("interrupted", "interrupted");
    };
    expect((await runCli(["vm", "start", "web"], { vms: { start } })).status).toBe(1);
  });

  test("what only reads ends at once, without waiting for the library", async () => {
    const result = await runCli(["vm", "list"], {
      vms: { list: () => new Promise(() => undefined) },
      onStart: ({ interruption }) => setTimeout(() => interruption.receive("SIGINT"), 10),
    });
    expect(result).toMatchObject({ status: 130, stdout: "", stderr: "" });
  });

  test("with several VMs it is told once", async () => {
    let controls: Controls | undefined;
    const stop = async (_name: string, { signal }: TaskOptions = {}): Promise<void> => {
      if (controls?.interruption.reason === undefined) controls?.interruption.receive("SIGINT");
      signal?.throwIfAborted();
    };
    const result = await runCli(["vm", "stop", "a", "b", "c"], {
      vms: { stop },
      onStart: (given) => {
        controls = given;
      },
    });
    expect(result).toMatchObject({ status: 130, stderr: "error: interrupted\n" });
  });

  test("a reader that has gone away ends the command quietly", async () => {
    const events = async function* (): AsyncGenerator<never> {
      await new Promise(() => undefined);
    };
    const result = await runCli(["events", "-f"], {
      installation: { events },
      onStart: ({ interruption }) => setTimeout(() => interruption.breakPipe(), 10),
    });
    expect(result).toMatchObject({ status: 0, stderr: "" });
  });

  test("signals are counted from the first one", () => {
    const exits: number[] = [];
    let again = 0;
    const interruption = new SignalInterruption((status) => exits.push(status));
    interruption.onAgain(() => {
      again += 1;
    });
    interruption.receive("SIGHUP");
    expect(interruption.signal.aborted).toBe(true);
    expect(interruption.reason).toEqual({ kind: "signal", name: "SIGHUP", exitStatus: 129 });
    interruption.receive("SIGHUP");
    interruption.receive("SIGINT");
    expect({ again, exits }).toEqual({ again: 1, exits: [130] });
  });
});

describe("global flags", () => {
  test("stand anywhere before --, and belong to the guest's command after it", async () => {
    for (const line of ["--format json vm list", "vm --format json list", "vm list --format=json"]) {
      expect((await runCli(line.split(" "))).stdout).toStartWith("[");
    }
    const { calls } = await runCli(["exec", "web", "--", "x", "--help", "--format", "json"]);
    expect(calls[0]?.args[1]).toEqual(["x", "--help", "--format", "json"]);
  });

  test("--verbose hands lines of the library to standard error, and shows where a fault arose", async () => {
    const result = await runCli(["--verbose", "vm", "inspect", "nope"]);
    expect(result.opened[0]?.verbose).toBeFunction();
    expect(result.stderr).toContain("at ");
  });

  test("--version and version print the same", async () => {
    expect((await runCli(["--version"])).stdout).toBe(`ember ${version}\n`);
    expect((await runCli(["version"])).stdout).toBe(`ember ${version}\n`);
    expect(JSON.parse((await runCli(["version", "--format", "json"])).stdout)).toEqual({ version });
  });
});

test("progress is drawn on a terminal only, and leaves no trace", async () => {
  const start = async (_name: string, { onProgress }: TaskOptions = {}): Promise<void> => {
    onProgress?.({ step: "booting" });
    await new Promise((resolve) => setTimeout(resolve, 150));
  };
  for (const flags of [["-q"], ["--format=json"]]) {
    const result = await runCli(["vm", "start", "web", ...flags], { vms: { start }, terminal: true });
    expect(result.stderr).toBe("");
  }
  expect((await runCli(["vm", "start", "web"], { vms: { start } })).stderr).toBe("started web in 0 ms\n");
});
