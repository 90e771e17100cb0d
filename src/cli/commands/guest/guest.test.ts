import { describe, expect, test } from "bun:test";
import { EmberError } from "../../../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../../../types.ts";
import { type CliOptions, type CliResult, type Controls, runCli } from "../../testing/run-cli.ts";

const ended = (exitStatus: number): ExecResult => ({ exitStatus, stdout: "", stderr: "" });

/** Runs a line against a guest whose every command is `body`. */
async function inGuest(
  argv: readonly string[],
  body: (options: ExecOptions, command: readonly string[] | string | undefined) => Promise<ExecResult>,
  options: CliOptions = {},
): Promise<CliResult> {
  return await runCli(argv, {
    ...options,
    vms: {
      exec: async (_name, command, given = {}) => body(given, command),
      shell: async (_name, line, given = {}) => body(given, line),
    },
  });
}

async function readAll(stream: ExecOptions["stdin"]): Promise<string> {
  if (stream === undefined || typeof stream === "string" || stream instanceof Uint8Array)
    throw new Error("no stream");
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}

describe("exec", () => {
  test.each([0, 1, 3, 127, 143, 255])("passes on the status %d", async (status) => {
    expect((await inGuest(["exec", "web", "--", "x"], async () => ended(status))).status).toBe(status);
  });

  test("hands words on as they are, with user, folder, variables and time limit", async () => {
    const words = ["printf", "%s\n", "a b", "$HOME", "--", "-x", ""];
    const { calls, stdout, stderr } = await inGuest(
      ["exec", "--user", "app", "--workdir=/srv", "-e", "A=1", "--timeout", "5", "web", "--", ...words],
      async (options) => {
        options.stdout?.write("out");
        options.stderr?.write("err");
        return ended(0);
      },
    );
    expect(calls[0]?.args.slice(0, 2)).toEqual(["web", words]);
    expect(calls[0]?.args[2]).toMatchObject({
      user: "app",
      workdir: "/srv",
      environment: { A: "1" },
      timeoutMs: 5000,
    });
    expect({ stdout, stderr }).toEqual({ stdout: "out", stderr: "err" });
  });

  test("leaves standard input alone without -i, and hands it on with it", async () => {
    await inGuest(["exec", "web", "--", "cat"], async (options) => {
      expect(options.stdin).toBeUndefined();
      expect(options.terminal).toBeUndefined();
      return ended(0);
    });
    let received = "";
    await inGuest(
      ["exec", "-i", "web", "--", "cat"],
      async (options) => {
        received = await readAll(options.stdin);
        return ended(0);
      },
      { onStart: ({ stdin }) => stdin.end("some input") },
    );
    expect(received).toBe("some input");
  });

  test("-it makes the local terminal raw, and puts it back however the command ends", async () => {
    const environment = { TERM: "vt100" };
    const fine = await inGuest(
      ["exec", "-it", "web", "--", "sh"],
      async (options) => {
        expect(options.terminal).toEqual({ columns: 80, rows: 24, type: "vt100" });
        return ended(7);
      },
      { terminal: true, environment },
    );
    expect(fine).toMatchObject({ status: 7, rawModes: [true, false] });
    const failed = await inGuest(
      ["exec", "-it", "web", "--", "sh"],
      async () => {
        throw new EmberError("guest-unreachable", "it is gone");
      },
      { terminal: true },
    );
    expect(failed).toMatchObject({ status: 1, rawModes: [true, false] });
  });

  test("a resized window is told to the guest", async () => {
    let controls: Controls | undefined;
    const sizes: unknown[] = [];
    await inGuest(
      ["exec", "-it", "web", "--", "sh"],
      async (options) => {
        const stop = options.onResize?.((size) => sizes.push(size));
        controls?.resize(120, 40);
        stop?.();
        controls?.resize(1, 1);
        return ended(0);
      },
      {
        terminal: true,
        onStart: (given) => {
          controls = given;
        },
      },
    );
    expect(sizes).toEqual([{ columns: 120, rows: 40 }]);
  });

  test("-it without a terminal is refused, and says what to leave out", async () => {
    const { status, stderr, opened } = await runCli(["exec", "-it", "web", "--", "sh"]);
    expect({ status, opened }).toEqual({ status: 2, opened: [] });
    expect(stderr).toContain("leave out -t");
  });

  test("Enter, ~, . leaves a guest that hangs", async () => {
    const { status, stderr, rawModes } = await inGuest(
      ["exec", "-it", "web", "--", "sh"],
      (options) =>
        new Promise((_resolve, reject) => {
          options.signal?.addEventListener("abort", () =>
            reject(new EmberError("interrupted", "interrupted")),
          );
          if (typeof options.stdin === "object" && "on" in options.stdin)
            options.stdin.on("data", () => undefined);
        }),
      { terminal: true, onStart: ({ stdin }) => stdin.write("ls\r~.") },
    );
    expect(status).toBe(1);
    expect(stderr).toContain("left with ~.");
    expect(rawModes).toEqual([true, false]);
  });

  test("--detach prints the process id, and goes with neither -i nor -t", async () => {
    expect((await runCli(["exec", "-d", "web", "--", "sleep", "9"])).stdout).toBe("77\n");
    expect((await runCli(["exec", "-d", "web", "--format=json", "--", "sleep"])).stdout).toBe(
      '{\n  "pid": 77\n}\n',
    );
    expect((await runCli(["exec", "-di", "web", "--", "sleep"])).status).toBe(2);
    const failed = await inGuest(["exec", "-d", "web", "--", "nope"], async () => ended(127));
    expect(failed).toMatchObject({ status: 127, stdout: "" });
  });

  test("SIGINT aborts the command; the status is 130", async () => {
    let controls: Controls | undefined;
    const { status } = await inGuest(
      ["exec", "web", "--", "sleep"],
      (options) =>
        new Promise((_resolve, reject) => {
          options.signal?.addEventListener("abort", () =>
            reject(new EmberError("interrupted", "interrupted")),
          );
          controls?.interruption.receive("SIGINT");
        }),
      {
        onStart: (given) => {
          controls = given;
        },
      },
    );
    expect(status).toBe(130);
  });
});

describe("ssh", () => {
  test("is a login shell with a terminal when there is one", async () => {
    const { calls, status } = await inGuest(["ssh", "web"], async () => ended(4), { terminal: true });
    expect(status).toBe(4);
    expect(calls[0]?.args.slice(0, 2)).toEqual(["web", undefined]);
    expect(calls[0]?.args[2]).toHaveProperty("terminal.columns", 80);
  });

  test("without a terminal the shell reads standard input", async () => {
    let received = "";
    await inGuest(
      ["ssh", "web"],
      async (options) => {
        expect(options.terminal).toBeUndefined();
        received = await readAll(options.stdin);
        return ended(0);
      },
      { onStart: ({ stdin }) => stdin.end("uname\n") },
    );
    expect(received).toBe("uname\n");
  });

  test("the words of a command are quoted for the guest's shell, a single one too", async () => {
    const lineOf = async (...words: string[]): Promise<unknown> =>
      (await inGuest(["ssh", "web", "--", ...words], async () => ended(0))).calls[0]?.args[1];
    expect(await lineOf("printf", "%s\n", "a b", "it's", "$HOME")).toBe(
      "printf '%s\n' 'a b' 'it'\\''s' '$HOME'",
    );
    expect(await lineOf("ls -l; reboot")).toBe("'ls -l; reboot'");
    expect(await lineOf("")).toBe("''");
  });
});

describe("cp", () => {
  const callOf = async (...argv: string[]): Promise<unknown[]> => {
    const { calls } = await runCli(["cp", ...argv]);
    const [call] = calls;
    return [call?.method, ...(call?.args.slice(0, 3) ?? [])];
  };

  test("goes in, out, and through tar streams", async () => {
    expect(await callOf("a.txt", "web:/tmp/a")).toEqual(["vms.copyIn", "web", "/work/a.txt", "/tmp/a"]);
    expect(await callOf("-r", "web:/var/log", "logs/")).toEqual([
      "vms.copyOut",
      "web",
      "/var/log",
      "/work/logs/",
    ]);
    expect(await callOf("./web:x", "web:y:z")).toEqual(["vms.copyIn", "web", "/work/web:x", "y:z"]);
    expect((await callOf("-", "web:/srv"))[0]).toBe("vms.extractTar");
    expect((await callOf("web:/srv", "-"))[0]).toBe("vms.createTar");
    const recursive = (await runCli(["cp", "-r", "a", "web:/b"])).calls[0]?.args[3];
    expect(recursive).toMatchObject({ recursive: true });
  });

  test("both sides in a VM, or none, is refused with the way to do it", async () => {
    const both = await runCli(["cp", "a:/x", "b:/y"]);
    expect(both.status).toBe(2);
    expect(both.stderr).toContain("ember cp a:/x - | ember cp - b:FOLDER");
    expect((await runCli(["cp", "a", "b"])).stderr).toContain("web:/tmp/file");
    expect((await runCli(["cp", "-", "-"])).status).toBe(2);
    expect((await runCli(["cp", "a", "web:"])).stderr).toContain("web:/path");
    expect((await runCli(["cp", "a", "WEB:/x"])).stderr).toContain("is not a VM name");
  });

  test("a tar stream is kept off terminals", async () => {
    expect((await runCli(["cp", "web:/x", "-"], { terminal: true })).stderr).toContain("> archive.tar");
    expect((await runCli(["cp", "-", "web:/x"], { terminal: true })).status).toBe(2);
  });
});

describe("forward", () => {
  test("says what leads where, and ends with status 130 and no error on Ctrl-C", async () => {
    const result = await runCli(["forward", "web", "8080:80", "[::1]:53:53"], {
      onStart: ({ interruption }) => setTimeout(() => interruption.receive("SIGINT"), 20),
    });
    expect(result).toMatchObject({
      status: 130,
      stderr: "",
      stdout: "127.0.0.1:8080 -> web:80\n[::1]:53 -> web:53\n",
    });
  });

  test("takes the name that VMs know the VM by", async () => {
    const result = await runCli(["forward", "web.ember.internal", "8080:80"], {
      onStart: ({ interruption }) => setTimeout(() => interruption.receive("SIGINT"), 20),
    });
    expect(result.calls.find(({ method }) => method === "vms.forward")?.args[0]).toBe("web");
  });

  test("a VM that stops ends it with an error", async () => {
    const forwarding = { ports: [], closed: Promise.resolve(), [Symbol.asyncDispose]: async () => undefined };
    const { status, stderr } = await runCli(["forward", "web", "1:2"], {
      vms: { forward: async () => forwarding },
    });
    expect(status).toBe(4);
    expect(stderr).toContain("has stopped");
  });
});

test("ssh-config and the proxy hand on what the library gives", async () => {
  expect((await runCli(["ssh-config"])).stdout).toBe("Host web\n");
  const { calls } = await runCli(["__proxy", "web"]);
  expect(calls[0]).toMatchObject({
    method: "vms.proxy",
    args: ["web", expect.anything(), expect.anything()],
  });
});
