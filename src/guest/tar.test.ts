import { afterEach, expect, test } from "bun:test";
import { PassThrough, Readable } from "node:stream";
import type { ServerChannel } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { connectAgent } from "./connect.ts";
import { createTar, extractTar } from "./tar.ts";
import { endWith, type FakeAgent, startFakeAgent } from "./testing/fake-agent.ts";

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

async function connected(
  onExec: (stream: ServerChannel) => void,
): Promise<{ agent: FakeAgent; channel: AgentChannel; argv: () => string[] }> {
  const agent = await startFakeAgent({ onExec });
  const channel = await connectAgent(agent.target);
  cleanUps.push(
    () => agent.close(),
    () => channel.close(),
  );
  return { agent, channel, argv: () => JSON.parse((agent.executed.at(-1) ?? "").slice(1)).argv };
}

async function failureOf(promise: Promise<unknown>): Promise<EmberError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof EmberError) return error;
  throw error;
}

/** Fails as tar does, once its input is read. */
function failing(status: number, message: string): (stream: ServerChannel) => void {
  return (stream) => {
    stream.stderr.write(message);
    stream.on("end", () => endWith(stream, status)).resume();
  };
}

test("every byte of the stream reaches the guest's tar, and its folder is one argument", async () => {
  const received: Buffer[] = [];
  const { channel, argv } = await connected((stream) => {
    stream.on("data", (chunk: Buffer) => received.push(chunk));
    stream.on("end", () => endWith(stream, 0));
  });
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 13) & 255));
  const input = Readable.from([
    bytes.subarray(0, 10),
    bytes.subarray(10, 2_000_000),
    bytes.subarray(2_000_000),
  ]);
  await extractTar(channel, input, "/a b/$(id)");
  expect(Buffer.concat(received).equals(bytes)).toBe(true);
  expect(argv()).toEqual(["tar", "-x", "-p", "-f", "-", "-C", "/a b/$(id)"]);
});

test("a path is packed under its own name, a folder's content without one", async () => {
  const { channel, argv } = await connected((stream) => {
    stream.write("archive");
    endWith(stream, 0);
  });
  for (const [path, expected] of [
    ["/srv/data", ["-C", "/srv", "--", "data"]],
    ["/srv/data/", ["-C", "/srv", "--", "data"]],
    ["/srv/-x", ["-C", "/srv", "--", "-x"]],
    ["/srv/.", ["-C", "/srv/.", "--", "."]],
    ["/", ["-C", "/", "--", "."]],
  ] as const) {
    const out = new PassThrough();
    await createTar(channel, path, out);
    expect(argv().slice(4)).toEqual([...expected]);
    expect(out.read()?.toString()).toBe("archive");
    expect(out.writableEnded).toBe(false);
  }
});

test("a guest without tar, a missing folder and tar's own complaint are told apart", async () => {
  const cases = [
    [127, "ember-guest: tar: command not found\n", "copy-failed", "has no 'tar'"],
    [
      2,
      "tar: /x: Cannot open: No such file or directory\n",
      "file-not-found",
      "'/x' is not there in the guest",
    ],
    [
      2,
      "tar: \u001b[31mThis does not look like a tar archive\n",
      "copy-failed",
      "tar in the guest failed: tar: ?[31mThis",
    ],
    [1, "", "copy-failed", "exit status 1"],
  ] as const;
  for (const [status, message, code, text] of cases) {
    const { channel } = await connected(failing(status, message));
    const error = await failureOf(extractTar(channel, Readable.from(["x"]), "/x"));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  }
});

test("a file that grew while it was packed is no failure", async () => {
  const { channel } = await connected(failing(1, "tar: log: file changed as we read it\n"));
  await createTar(channel, "/var/log", new PassThrough().resume());
});

test("an input or an output that breaks ends the tar in the guest", async () => {
  const { channel } = await connected((stream) => stream.write("data"));
  const input = new PassThrough();
  setTimeout(() => input.destroy(new Error("gone")), 20);
  expect((await failureOf(extractTar(channel, input, "/x"))).code).toBe("io-failed");
  const output = new PassThrough();
  setTimeout(() => output.destroy(new Error("gone")), 20);
  expect((await failureOf(createTar(channel, "/x", output))).code).toBe("io-failed");
});
