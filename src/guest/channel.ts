import type { ClientChannel, SFTPWrapper } from "ssh2";
import type { EmberError } from "../errors/ember-error.ts";
import type { AgentEndpoint } from "../network/network.ts";

/** Where an agent is, who it must prove to be, and who asks. */
export interface AgentTarget {
  readonly endpoint: AgentEndpoint;
  /** "ssh-ed25519 AAAA...": the only key that the agent may show. */
  readonly hostPublicKey: string;
  /** OpenSSH format; a secret. */
  readonly clientPrivateKey: string;
  /** The guest's user that plain sessions run as. */
  readonly user: string;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
  readonly type: string;
}

export interface SessionSettings {
  readonly terminal?: TerminalSize | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** A command or shell that the agent has started. */
export interface AgentSession {
  readonly stream: ClientChannel;
  /** Settles when all output was read and the stream is closed; undefined when the agent never told the status. */
  readonly exitStatus: Promise<number | undefined>;
}

/**
 * One authenticated connection to the agent of a guest. Every method opens one more stream on it and throws
 * `guest-unreachable` when the connection is gone, `guest-failed` when the agent refuses.
 * Nothing that was sent is ever sent again: a caller that retries decides so itself.
 */
export interface AgentChannel extends AsyncDisposable {
  /** Why the connection ended; undefined while it stands. */
  readonly fault: EmberError | undefined;
  /** Settles when the connection has ended, whoever ended it. Never rejects. */
  readonly closed: Promise<void>;
  /** Starts a command line (or ember's own exec request); resolves when the agent has accepted it. */
  exec(commandLine: string, settings?: SessionSettings): Promise<AgentSession>;
  /** The login shell of the target's user. */
  shell(settings?: SessionSettings): Promise<AgentSession>;
  subsystem(name: string): Promise<ClientChannel>;
  sftp(): Promise<SFTPWrapper>;
  /** A TCP connection that the agent makes from inside the guest. */
  connectTcp(host: string, port: number): Promise<ClientChannel>;
  /** Whether so much waits to be sent that the caller should hold back; `drained` settles when it does not. */
  readonly congested: boolean;
  drained(): Promise<void>;
  /** Sends what is waiting, then ends the connection. Idempotent; does not wait for the agent. */
  close(): void;
}
