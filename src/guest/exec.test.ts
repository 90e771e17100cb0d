import { afterEach, expect, test } from "bun:test";
import { PassThrough, Readable, Writable } from "node:stream";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { connectAgent } from "./connect.ts";
import { execInGuest } from "./exec.ts";
import { shellInGuest } from "./shell.ts";
import { endWith, type FakeAgent, type FakeAgentOptions, startFakeAgent } from "./testing/fake-agent.ts";

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

async function connected(options: FakeAgentOptions): Promise<{ agent: FakeAgent; channel: AgentChannel }> {
  const agent = await startFakeAgent(options);
  const channel = await connectAgent(agent.target);
  cleanUps.push(
    () => agent.close(),
    () => channel.close(),
  );
  return { agent, channel };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => "no failure",
    (reason: unknown) => reason,
  );
  return error instanceof EmberError ? error.code : String(error);
}

test("arguments, environment, folder and user travel as they are, with no shell in between", async () => {
  const { agent, channel } = await connected({});
  const argv = ["printf", "%s", "a b", "'", "$HOME", "ü", ""];
  await execInGuest(channel, argv, { environment: { A: "1=2 3" }, workdir: "/a b", user: "www:www" });
  const sent = agent.executed[0] ?? "";
  expect(sent[0]).toBe("\0");
  expect(JSON.parse(sent.slice(1))).toEqual({
    argv,
    env: ["A=1=2 3"],
    cwd: "/a b",
    user: "www:www",
    detach: false,
  });
});

test("a status that comes in the same packet as the acceptance is not lost", async () => {
  const { channel } = await connected({ onExec: (stream) => endWith(stream, 42) });
  for (let round = 0; round < 20; round += 1) {
    expect((await execInGuest(channel, ["true"])).exitStatus).toBe(42);
  }
});

test("a status that comes after the end of the output is waited for", async () => {
  const { channel } = await connected({
    onExec: (stream) => {
      stream.resume();
      stream.eof();
      // ssh2's server would not send a status after that; the agent does.
      const outgoing: unknown = Reflect.get(stream, "outgoing");
      if (typeof outgoing !== "object" || outgoing === null)
        throw new Error("ssh2 keeps its state elsewhere");
      setTimeout(() => {
        const closed = Reflect.get(outgoing, "state") !== "eof";
        Object.assign(outgoing, { state: closed ? "closed" : "open" });
        endWith(stream, 5);
      }, 30);
    },
  });
  expect((await execInGuest(channel, ["true"])).exitStatus).toBe(5);
});

test("a command that a signal ended has 128 and the signal's number", async () => {
  const { channel } = await connected({
    onExec: (stream) => {
      stream.exit("SEGV");
      stream.end();
    },
  });
  expect((await execInGuest(channel, ["crash"])).exitStatus).toBe(139);
});

test("output is kept apart and complete, input reaches the command to its last byte, whatever the bytes", async () => {
  const { channel } = await connected({
    onExec: (stream) => {
      stream.stderr.write("warning\n");
      stream.on("data", (chunk: Buffer) => stream.write(chunk));
      stream.on("end", () => endWith(stream, 0));
    },
  });
  const bytes = Buffer.from(
    Array.from({ length: 3_000_000 }, (_, index) => (index * 7 + (index >> 8)) & 255),
  );
  const received: Buffer[] = [];
  const sink = new PassThrough().on("data", (chunk: Buffer) => received.push(chunk));
  const result = await execInGuest(channel, ["cat"], { stdin: Readable.from([bytes]), stdout: sink });
  expect(Buffer.concat(received).equals(bytes)).toBe(true);
  expect(result).toEqual({ exitStatus: 0, stdout: "", stderr: "warning\n" });
});

test("without input, the command sees its end at once", async () => {
  const { channel } = await connected({
    onExec: (stream) => stream.on("end", () => endWith(stream, 0)).resume(),
  });
  expect((await execInGuest(channel, ["cat"])).exitStatus).toBe(0);
});

test("a command that reads nothing does not hold its caller, who keeps what was not read", async () => {
  const { channel } = await connected({ onExec: (stream) => endWith(stream, 0) });
  const input = new PassThrough();
  input.write("early");
  expect((await execInGuest(channel, ["true"], { stdin: input })).exitStatus).toBe(0);
  expect(input.isPaused()).toBe(true);
  expect(input.listenerCount("data")).toBe(0);
});

test("a slow taker holds the guest back instead of filling memory", async () => {
  let written = 0;
  const totalBytes = 40 * 1024 * 1024;
  const { channel } = await connected({
    onExec: (stream) => {
      const spill = (): void => {
        while (written < totalBytes) {
          written += 65_536;
          if (!stream.write(Buffer.alloc(65_536))) return;
        }
        endWith(stream, 0);
      };
      stream.on("drain", spill);
      spill();
    },
  });
  let taken = 0;
  let mostAhead = 0;
  const sink = new Writable({
    highWaterMark: 65_536,
    write(chunk: Buffer, _encoding, done) {
      taken += chunk.length;
      mostAhead = Math.max(mostAhead, written - taken);
      setImmediate(done);
    },
  });
  await execInGuest(channel, ["spill"], { stdout: sink });
  await new Promise<void>((resolve) => sink.end(resolve));
  expect(taken).toBe(totalBytes);
  expect(mostAhead).toBeLessThan(16 * 1024 * 1024);
});

test("a command that takes too long is ended, and says so", async () => {
  let closed = false;
  const { channel } = await connected({
    onExec: (stream) => stream.on("close", () => (closed = true)).resume(),
  });
  expect(await codeOf(execInGuest(channel, ["sleep"], { timeoutMs: 50 }))).toBe("timeout");
  expect((await connectedStill(channel)).exitStatus).toBe(0);
  expect(closed).toBe(true);
});

/** A second command on the same connection, after the first was closed. */
async function connectedStill(channel: AgentChannel): Promise<{ exitStatus: number }> {
  const session = await channel.exec("probe");
  session.stream.close();
  await new Promise((resolve) => session.stream.once("close", resolve).resume());
  return { exitStatus: 0 };
}

test("an abort ends the command in the guest", async () => {
  const ended = Promise.withResolvers<void>();
  const { channel } = await connected({
    onExec: (stream) => stream.on("close", () => ended.resolve()).resume(),
  });
  const signal = AbortSignal.timeout(50);
  expect(await codeOf(execInGuest(channel, ["sleep"], { signal }))).toBe("interrupted");
  await ended.promise;
});

test("an agent that never answers a start does not hold a caller who set a limit", async () => {
  const silent: AgentChannel = {
    fault: undefined,
    closed: new Promise(() => undefined),
    exec: () => new Promise(() => undefined),
    shell: () => new Promise(() => undefined),
    subsystem: () => new Promise(() => undefined),
    sftp: () => new Promise(() => undefined),
    connectTcp: () => new Promise(() => undefined),
    congested: false,
    drained: async () => undefined,
    close: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  expect(await codeOf(execInGuest(silent, ["x"], { timeoutMs: 20 }))).toBe("timeout");
  expect(await codeOf(execInGuest(silent, ["x"], { signal: AbortSignal.timeout(20) }))).toBe("interrupted");
});

test("an abort before the start starts nothing", async () => {
  const { agent, channel } = await connected({});
  expect(await codeOf(execInGuest(channel, ["x"], { signal: AbortSignal.abort() }))).toBe("interrupted");
  expect(agent.executed).toEqual([]);
});

test("a taker that breaks ends the command", async () => {
  const { channel } = await connected({ onExec: (stream) => stream.write("data") });
  const sink = new Writable({ write: (_chunk, _encoding, done) => done(new Error("gone")) });
  expect(await codeOf(execInGuest(channel, ["yes"], { stdout: sink }))).toBe("io-failed");
});

test("a terminal has the size that was asked for, and follows it", async () => {
  const { channel } = await connected({
    onExec: (stream, _line, session) => {
      const look = setInterval(() => {
        if (session.sizes.length === 0) return;
        clearInterval(look);
        stream.write(JSON.stringify({ first: session.terminal, later: session.sizes }));
        endWith(stream, 0);
      }, 5);
    },
  });
  const result = await execInGuest(channel, ["top"], {
    terminal: { columns: 80, rows: 24, type: "xterm" },
    stdin: new PassThrough(),
    onResize: (listener) => {
      setTimeout(() => listener({ columns: 120, rows: 40 }), 10);
      return () => undefined;
    },
  });
  expect(JSON.parse(result.stdout)).toEqual({
    first: { columns: 80, rows: 24, type: "xterm" },
    later: [{ columns: 120, rows: 40 }],
  });
});

test("a detached command answers with its process id", async () => {
  const { channel } = await connected({
    onExec: (stream) => {
      stream.write('{"pid":123}\n');
      endWith(stream, 0);
    },
  });
  const result = await execInGuest(channel, ["server"], { detach: true });
  expect(result).toEqual({ exitStatus: 0, stdout: "", stderr: "", pid: 123 });
});

test("a detached command that could not start gives its status, and nonsense is an error", async () => {
  const answers = ["", "[]", '{"pid":-1}', '{"pid":"1"}'];
  const { channel } = await connected({
    onExec: (stream, line) => {
      stream.write(answers[Number(JSON.parse(line.slice(1)).argv[0])] ?? "");
      endWith(stream, line.includes("missing") ? 127 : 0);
    },
  });
  expect((await execInGuest(channel, ["missing"], { detach: true })).exitStatus).toBe(127);
  for (const [index] of answers.entries()) {
    expect(await codeOf(execInGuest(channel, [String(index)], { detach: true }))).toBe("guest-failed");
  }
});

test("what no command can carry is refused before anything is sent", async () => {
  const { agent, channel } = await connected({});
  expect(await codeOf(execInGuest(channel, []))).toBe("usage");
  expect(await codeOf(execInGuest(channel, ["a\0b"]))).toBe("usage");
  expect(await codeOf(execInGuest(channel, ["a"], { environment: { "A=B": "" } }))).toBe("usage");
  expect(await codeOf(execInGuest(channel, ["a"], { environment: { "": "" } }))).toBe("usage");
  expect(await codeOf(execInGuest(channel, ["a"], { workdir: "/\0" }))).toBe("usage");
  expect(agent.executed).toEqual([]);
});

test("a command line is the user's own, with the folder on a line before it", async () => {
  const { agent, channel } = await connected({
    onExec: (stream, _line, session) => {
      stream.write(JSON.stringify(session.environment));
      endWith(stream, 0);
    },
  });
  const options = { workdir: "/it's here", environment: { A: "b c" } };
  expect((await shellInGuest(channel, "a; b", options)).stdout).toBe('{"A":"b c"}');
  await shellInGuest(channel, "a; b");
  await shellInGuest(channel, undefined);
  expect(agent.executed).toEqual(["cd -- '/it'\\''s here' || exit 126\na; b", "a; b", ""]);
});
