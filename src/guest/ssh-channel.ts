import type { Socket } from "node:net";
import type { Client, ClientChannel, PseudoTtyOptions, SFTPWrapper } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentEndpoint } from "../network/network.ts";
import type { AgentChannel, AgentSession, SessionSettings } from "./channel.ts";
import { exitStatusOf } from "./exit-status.ts";
import { printable } from "./printable.ts";
import { unreachable } from "./transport.ts";

/** How much may wait in this process for the socket before senders are asked to hold back. */
const congestionBytes = 4 * 1024 * 1024;

/** ssh2 grants a window of 2 MiB for each stream; a guest that sends much more than that breaks the protocol. */
const receiveLimitBytes = 4 * 1024 * 1024;

/** How long the last bytes may take when a connection is closed. */
const closeLimitMs = 1000;

type Answer<T> = (error: Error | undefined, value: T) => void;

/** The channel over an authenticated client. It owns the client and the socket. */
export function createChannel(client: Client, socket: Socket, endpoint: AgentEndpoint): AgentChannel {
  const connection = watch(client, socket, endpoint);

  /** Asks for a stream. `use` sees it at once: what follows the agent's answer in the same packet is not missed. */
  const open = <S, T>(what: string, ask: (answer: Answer<S>) => void, use: (stream: S) => T): Promise<T> =>
    new Promise((resolve, reject) => {
      const refuse = (error: unknown): void => {
        const why = error instanceof Error ? error.message : String(error);
        const gone = connection.fault() ?? (socket.writable ? undefined : unreachable(endpoint, "is gone"));
        reject(
          gone ??
            new EmberError("guest-failed", `the agent refused ${what}: ${printable(why)}`, { cause: error }),
        );
      };
      try {
        ask((error, stream) => (error ? refuse(error) : resolve(use(stream))));
      } catch (error) {
        refuse(error); // ssh2 throws when the socket is no longer writable
      }
    });

  const guard = (stream: ClientChannel): ClientChannel => {
    limitBuffer(stream, connection.overrun);
    limitBuffer(stream.stderr, connection.overrun);
    return stream;
  };
  const session = (stream: ClientChannel): AgentSession => {
    keepUntilClosed(stream);
    return { stream: guard(stream), exitStatus: exitStatusOf(stream) };
  };

  return {
    get fault() {
      return connection.fault();
    },
    closed: connection.closed,
    exec: (commandLine, settings = {}) =>
      open<ClientChannel, AgentSession>(
        "to start a command",
        (answer) => client.exec(commandLine, { ...environment(settings), pty: pty(settings) }, answer),
        session,
      ),
    shell: (settings = {}) =>
      open<ClientChannel, AgentSession>(
        "to start a shell",
        (answer) => client.shell(pty(settings), environment(settings), answer),
        session,
      ),
    subsystem: (name) =>
      open<ClientChannel, ClientChannel>(
        `the subsystem '${name}'`,
        (answer) => client.subsys(name, answer),
        guard,
      ),
    sftp: () =>
      open<SFTPWrapper, SFTPWrapper>(
        "file transfer",
        (answer) => client.sftp(answer),
        (sftp) => sftp,
      ),
    connectTcp: (host, port) =>
      open<ClientChannel, ClientChannel>(
        `a connection to ${host}:${port}`,
        (answer) => client.forwardOut("127.0.0.1", 0, host, port, answer),
        guard,
      ),
    get congested() {
      return socket.writableLength > congestionBytes;
    },
    drained: () => drained(socket),
    close: connection.close,
    async [Symbol.asyncDispose]() {
      connection.close();
    },
  };
}

/** Keeps the reason why a connection ended, and ends it. */
function watch(client: Client, socket: Socket, endpoint: AgentEndpoint) {
  let fault: EmberError | undefined;
  const closed = new Promise<void>((resolve) => {
    client.on("error", (error) => {
      fault ??= unreachable(endpoint, `broke the connection: ${error.message}`, error);
      socket.destroy();
    });
    client.on("close", () => {
      fault ??= unreachable(endpoint, "closed the connection");
      resolve();
    });
  });
  return {
    closed,
    fault: (): EmberError | undefined => fault,
    overrun: (): void => {
      fault ??= unreachable(endpoint, "sent more data than it was allowed to");
      socket.destroy();
    },
    close: (): void => {
      if (socket.destroyed) return;
      client.end();
      socket.destroySoon();
      // A guest that takes no more bytes cannot keep what is left from being dropped.
      const timer = setTimeout(() => socket.destroy(), closeLimitMs);
      socket.once("close", () => clearTimeout(timer));
    },
  };
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    if (socket.destroyed || !socket.writableNeedDrain) resolve();
    else socket.on("drain", done).on("close", done);
  });
}

function pty({ terminal }: SessionSettings): PseudoTtyOptions | false {
  if (terminal === undefined) return false;
  return { term: terminal.type, cols: terminal.columns, rows: terminal.rows, width: 0, height: 0 };
}

function environment(settings: SessionSettings): { env?: Record<string, string> } {
  return settings.environment === undefined ? {} : { env: { ...settings.environment } };
}

/**
 * A stream of Node destroys itself when both of its directions have ended, and ssh2 then closes the session: too soon,
 * for the exit status may come after the end of the output. The agent closes the session; `close` still does, too.
 */
function keepUntilClosed(stream: ClientChannel): void {
  stream.destroy = () => stream;
}

/** ssh2 does not end a peer that ignores the window it was granted: without this, its data would fill our memory. */
function limitBuffer(
  stream: { push(chunk: unknown): boolean; readonly readableLength: number },
  overrun: () => void,
): void {
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown): boolean => {
    if (stream.readableLength > receiveLimitBytes) {
      overrun();
      return false;
    }
    return push(chunk);
  };
}
