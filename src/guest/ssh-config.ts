import { EmberError } from "../errors/ember-error.ts";
import { quoteCommand } from "./quote.ts";

interface SshHost {
  /** The VM's name: `[a-z0-9][a-z0-9-]*`, so it needs no quoting. */
  readonly name: string;
  readonly vmId: string;
  readonly user: string;
  /** File with the private key that the agent accepts. */
  readonly identityFile: string;
  /** File with `knownHostsLine` of this VM, and no other line that matches it. */
  readonly knownHostsFile: string;
  /** Program and arguments that connect standard input and output with the agent, as `ember __proxy NAME` does. */
  readonly proxyCommand: readonly string[];
}

/** The name under which a VM's host key is filed: its own for ever, whatever it is called or where it listens. */
function hostKeyAlias(vmId: string): string {
  return `ember-${vmId}`;
}

/** The one line of the known_hosts file that pins a VM's host key. */
function knownHostsLine(vmId: string, hostPublicKey: string): string {
  return `${hostKeyAlias(vmId)} ${hostPublicKey.trim()}\n`;
}

/** Where the configuration of an installation's VMs points to. */
export interface SshPlaces {
  /** File with the result of `knownHosts`. */
  readonly knownHostsPath: string;
  /** File with the private key that the agents accept. */
  readonly identityFile: string;
  /** How ember is run: the program, and what must come before its arguments. */
  readonly program: readonly string[];
  readonly stateDir: string;
}

/** OpenSSH configuration for VMs: one Host block each. Throws `invalid-config` for a path its syntax cannot hold. */
export function sshConfig(
  vms: readonly { readonly vmId: string; readonly name: string; readonly user: string }[],
  places: SshPlaces,
): string {
  const blocks = vms.map(({ vmId, name, user }) =>
    sshHostBlock({
      vmId,
      name,
      user,
      identityFile: places.identityFile,
      knownHostsFile: places.knownHostsPath,
      proxyCommand: [...places.program, "__proxy", "--state-dir", places.stateDir, name],
    }),
  );
  return blocks.join("\n");
}

/** A known_hosts file that pins the host key of each VM, under a name that no other VM ever has. */
export function knownHosts(
  vms: readonly { readonly vmId: string; readonly hostPublicKey: string }[],
): string {
  return vms.map(({ vmId, hostPublicKey }) => knownHostsLine(vmId, hostPublicKey)).join("");
}

/** One Host block of ssh_config(5). Throws `invalid-config` for a path that its syntax cannot hold. */
function sshHostBlock(host: SshHost): string {
  const lines = [
    `Host ${host.name} ${host.name}.ember`,
    `  HostName ${host.name}.ember`,
    `  User ${configWord(host.user)}`,
    `  HostKeyAlias ${hostKeyAlias(host.vmId)}`,
    "  HostKeyAlgorithms ssh-ed25519",
    "  StrictHostKeyChecking yes",
    "  CheckHostIP no",
    `  UserKnownHostsFile ${configWord(escapePercent(host.knownHostsFile))}`,
    "  GlobalKnownHostsFile /dev/null",
    `  IdentityFile ${configWord(escapePercent(host.identityFile))}`,
    "  IdentitiesOnly yes",
    `  ProxyCommand ${proxyLine(host.proxyCommand)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** ssh expands %h and the like in these values; a percent sign of ours stands for itself. */
function escapePercent(text: string): string {
  return text.replaceAll("%", "%%");
}

/** One argument of an option. Quotes keep spaces together; ssh_config(5) has an escape for neither line ends nor "${". */
function configWord(text: string): string {
  if (/[\r\n\0]/.test(text) || text.includes("${")) {
    throw new EmberError(
      "invalid-config",
      `${JSON.stringify(text)} cannot be written into an ssh configuration`,
      {
        hint: "choose a state folder whose path has neither line ends nor '${'",
      },
    );
  }
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** ssh hands the rest of the line to the user's shell with "exec" in front, after expanding percent signs. */
function proxyLine(argv: readonly string[]): string {
  const line = quoteCommand(argv);
  if (/[\r\n\0]/.test(line)) {
    throw new EmberError(
      "invalid-config",
      `${JSON.stringify(line)} cannot be written into an ssh configuration`,
    );
  }
  return escapePercent(line);
}
