import type { Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions } from "../types.ts";

/** What `exec` keeps of a command's output when it is not given streams for it. */
const collectLimitBytes = 64 * 1024 * 1024;

/**
 * Hands a command's output on, or collects it; resolves at the end of both streams, once everything was taken.
 * The guest is held back while the taker is slow.
 */
export async function receiveOutput(
  session: ClientChannel,
  options: ExecOptions,
  fail: (error: EmberError) => void,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = await Promise.all([
    receive(session, options.stdout, "standard output", fail),
    receive(session.stderr, options.stderr, "standard error", fail),
  ]);
  return { stdout, stderr };
}

function receive(
  source: Readable,
  sink: NodeJS.WritableStream | undefined,
  name: string,
  fail: (error: EmberError) => void,
): Promise<string> {
  return sink === undefined ? collect(source, name, fail) : handOn(source, sink, name, fail);
}

function collect(source: Readable, name: string, fail: (error: EmberError) => void): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  source.on("data", (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= collectLimitBytes) {
      chunks.push(chunk);
    } else {
      chunks.length = 0;
      fail(
        new EmberError("guest-failed", `the command wrote more than 64 MiB to its ${name} and was ended`, {
          hint: "give exec a stream to write the output to",
        }),
      );
    }
  });
  return new Promise((resolve) => {
    source.once("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
  });
}

function handOn(
  source: Readable,
  sink: NodeJS.WritableStream,
  name: string,
  fail: (error: EmberError) => void,
): Promise<string> {
  const resume = (): void => {
    source.resume();
  };
  const onData = (chunk: Buffer): void => {
    if (sink.write(chunk)) return;
    source.pause();
    sink.once("drain", resume);
  };
  const onError = (error: Error): void =>
    fail(new EmberError("io-failed", `${name} could not be written: ${error.message}`, { cause: error }));
  source.on("data", onData);
  sink.on("error", onError);
  return new Promise((resolve) => {
    source.once("end", () => {
      sink.off("error", onError).off("drain", resume);
      resolve("");
    });
  });
}
