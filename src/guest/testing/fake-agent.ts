import { createServer, type Server as TcpServer } from "node:net";
import ssh2, { type AuthContext, type Connection, type ServerChannel, type SFTPWrapper } from "ssh2";
import type { AgentTarget } from "../channel.ts";
import { makeKeyPair, publicKeyBlob } from "../keys.ts";

export interface FakeAgentOptions {
  /** A command line, or ember's own exec request, has been accepted. */
  readonly onExec?: (stream: ServerChannel, commandLine: string, session: FakeSession) => void;
  readonly onControl?: (stream: ServerChannel) => void;
  readonly onSftp?: (sftp: SFTPWrapper) => void;
  readonly onTcp?: (stream: ServerChannel, host: string, port: number) => void;
}

/** What a session heard besides its command. */
export interface FakeSession {
  readonly signals: string[];
  readonly sizes: { readonly columns: number; readonly rows: number }[];
  readonly environment: Record<string, string>;
  terminal: { readonly columns: number; readonly rows: number; readonly type: string } | undefined;
}

export interface FakeAgent {
  readonly target: AgentTarget;
  readonly port: number;
  /** Commands accepted so far: the measure of "never run twice". */
  readonly executed: string[];
  /** Breaks every connection as a dying machine does. */
  drop(): void;
  close(): Promise<void>;
}

/** An SSH server in this process that behaves as the agent does, except where a test says otherwise. */
export async function startFakeAgent(options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const hostKey = makeKeyPair("host");
  const clientKey = makeKeyPair("client");
  const executed: string[] = [];
  const server = new ssh2.Server(
    { hostKeys: [hostKey.privateKey], ident: "ember" },
    (connection: Connection) => {
      connection.on("error", () => undefined);
      connection.on("authentication", (auth: AuthContext) => {
        const accepted =
          auth.method === "publickey" && auth.key.data.equals(publicKeyBlob(clientKey.publicKey));
        if (accepted) auth.accept();
        else auth.reject();
      });
      connection.on("session", (accept) => serveSession(accept(), options, executed));
      connection.on("tcpip", (accept, reject, info) => {
        if (options.onTcp === undefined) reject();
        else options.onTcp(accept(), info.destIP, info.destPort);
      });
    },
  );
  const sockets = new Set<import("node:net").Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    server.injectSocket(socket);
  });
  const port = await listenOnLoopback(listener);
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    executed,
    drop,
    target: {
      endpoint: { kind: "tcp", host: "127.0.0.1", port },
      hostPublicKey: hostKey.publicKey,
      clientPrivateKey: clientKey.privateKey,
      user: "root",
    },
    close: async () => {
      drop();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

function serveSession(session: ssh2.Session, options: FakeAgentOptions, executed: string[]): void {
  const heard: FakeSession = { signals: [], sizes: [], environment: {}, terminal: undefined };
  session.on("env", (_accept, _reject, info) => {
    heard.environment[info.key] = info.val;
  });
  session.on("pty", (accept, _reject, info) => {
    heard.terminal = { columns: info.cols, rows: info.rows, type: info.term };
    accept();
  });
  session.on("window-change", (_accept, _reject, info) => {
    heard.sizes.push({ columns: info.cols, rows: info.rows });
  });
  session.on("signal", (_accept, _reject, info) => {
    heard.signals.push(info.name);
  });
  const run = (stream: ServerChannel, commandLine: string): void => {
    executed.push(commandLine);
    stream.on("error", () => undefined);
    if (options.onExec !== undefined) options.onExec(stream, commandLine, heard);
    else endWith(stream, 0);
  };
  session.on("exec", (accept, _reject, info) => run(accept(), info.command));
  session.on("shell", (accept) => run(accept(), ""));
  session.on("sftp", (accept, reject) => {
    if (options.onSftp === undefined) reject();
    else options.onSftp(accept());
  });
  session.on("subsystem", (accept, reject, info) => {
    if (options.onControl === undefined || info.name !== "ember-control") reject();
    else options.onControl(accept());
  });
}

/** Ends a command as the agent does: end of output, status, close. */
export function endWith(stream: ServerChannel, status: number): void {
  stream.exit(status);
  stream.end();
}

/** Starts listening on a free loopback port and tells which. */
export function listenOnLoopback(server: TcpServer): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (typeof address === "object" && address !== null) resolve(address.port);
      else reject(new Error("the test server has no port"));
    });
  });
}
