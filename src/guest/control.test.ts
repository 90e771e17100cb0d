import { afterEach, expect, test } from "bun:test";
import type { ServerChannel } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { connectAgent } from "./connect.ts";
import { type AgentControl, openControl } from "./control.ts";
import { startFakeAgent } from "./testing/fake-agent.ts";

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

async function controlled(
  onControl: (stream: ServerChannel) => void,
): Promise<{ control: AgentControl; channel: AgentChannel }> {
  const agent = await startFakeAgent({ onControl });
  const channel = await connectAgent(agent.target);
  cleanUps.push(
    () => agent.close(),
    () => channel.close(),
  );
  return { control: await openControl(channel), channel };
}

/** Answers each request with what `answer` makes of it, one line each. */
function answering(answer: (request: { id: number; method: string; params: unknown }) => string) {
  return (stream: ServerChannel): void => {
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split("\n")) stream.write(answer(JSON.parse(line)));
    });
  };
}

async function failureOf(promise: Promise<unknown>): Promise<EmberError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof EmberError) return error;
  throw error;
}

const ready = { vmId: "3f9c0a1b2c4d", agentVersion: "0.1.0", mode: "init", bootMs: 1234 };

test("an answer reaches the call it belongs to, however the lines are cut", async () => {
  const { control } = await controlled((stream) => {
    stream.on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split("\n")) {
        const answer = `${JSON.stringify({ id: JSON.parse(line).id, result: ready, extra: true })}\n`;
        for (const piece of answer.match(/.{1,7}|\n/g) ?? []) stream.write(piece);
      }
    });
  });
  expect(await Promise.all([control.ready(), control.ready()])).toEqual([ready, ready]);
});

test("numbers come out flat, the network's summed up", async () => {
  const sent = {
    load: [0.5, 1, 2],
    memory: { totalBytes: 10, availableBytes: 4 },
    disk: { totalBytes: 100, usedBytes: 50, availableBytes: 45 },
    network: [
      { name: "eth0", rxBytes: 1, txBytes: 2 },
      { name: "eth1", rxBytes: 10, txBytes: 20 },
    ],
    processes: 7,
  };
  const { control } = await controlled(answering(({ id }) => `${JSON.stringify({ id, result: sent })}\n`));
  expect(await control.metrics()).toEqual({
    loadAverage: 0.5,
    memoryTotalBytes: 10,
    memoryAvailableBytes: 4,
    diskTotalBytes: 100,
    diskUsedBytes: 50,
    receivedBytes: 11,
    sentBytes: 22,
    processes: 7,
  });
});

test("the agent's own reason is told, without what could drive a terminal", async () => {
  const { control } = await controlled(
    answering(
      ({ id }) => `${JSON.stringify({ id, error: { code: "failed", message: "no \u001b[31mspace" } })}\n`,
    ),
  );
  const error = await failureOf(control.grow());
  expect(error.code).toBe("guest-failed");
  expect(error.message).toBe("the agent could not do 'grow': no ?[31mspace (failed)");
});

test("a thaw tells whether writes were held back until then, and an agent that cannot tell is refused", async () => {
  const answerOf = async (result: object) =>
    (await controlled(answering(({ id }) => `${JSON.stringify({ id, result })}\n`))).control;
  expect(await (await answerOf({ frozenMs: 40, held: true })).thaw()).toEqual({ frozenMs: 40, held: true });
  expect(await (await answerOf({ frozenMs: 0, held: false })).thaw()).toEqual({ frozenMs: 0, held: false });
  expect((await failureOf((await answerOf({})).thaw())).hint).toContain("restart the VM");
});

test("an answer of another form is an error", async () => {
  for (const result of [null, [], { ...ready, bootMs: "1" }, { ...ready, vmId: "x".repeat(300) }]) {
    const { control } = await controlled(answering(({ id }) => `${JSON.stringify({ id, result })}\n`));
    expect((await failureOf(control.ready())).message).toContain("is not of the agreed form");
  }
});

test("a line without end is cut off, and the next call fails as well", async () => {
  const { control } = await controlled((stream) => {
    stream.on("error", () => undefined).on("data", () => undefined);
    const spill = (): void => {
      while (stream.writable && stream.write(Buffer.alloc(65_536, 120)));
    };
    stream.on("drain", spill);
    spill();
  });
  expect((await failureOf(control.ready())).message).toContain("a line longer than 1 MiB");
  expect((await failureOf(control.info())).message).toContain("a line longer than 1 MiB");
});

test("garbage, and answers that nothing had asked for, end the stream", async () => {
  for (const line of ["garbage\n", "\n", "{}\n", '{"id":99,"result":{}}\n', '{"id":null,"error":{}}\n']) {
    const { control } = await controlled(answering(() => line));
    expect((await failureOf(control.ready())).code).toBe("guest-failed");
  }
});

test("an agent that goes away leaves no call hanging", async () => {
  const { control } = await controlled(
    answering(() => {
      cleanUps[0]?.();
      return "";
    }),
  );
  expect((await failureOf(control.ready())).code).toBe("guest-unreachable");
});

test("a time limit beyond what the agent takes is cut to that", async () => {
  let params: unknown;
  const { control } = await controlled(
    answering((request) => {
      params = request.params;
      return `${JSON.stringify({ id: request.id, result: {} })}\n`;
    }),
  );
  await control.shutdown({ timeoutMs: 1e12 });
  expect(params).toEqual({ timeoutMs: 3_600_000, reboot: false });
});
