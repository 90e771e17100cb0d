import type { Attachment, NetworkProbe, SubnetClash, VmNetwork } from "../../../src/network/network.ts";
import type { Namespace, Started } from "./netns.ts";

/** An installation as the driver is told of it. */
export interface TestInstallation {
  readonly installationId: string;
  readonly subnet: string;
  readonly outsideInterface: string | undefined;
}

export type Call =
  | { readonly call: "attach"; readonly vm: VmNetwork }
  | { readonly call: "publish"; readonly vm: VmNetwork }
  | { readonly call: "applyPolicy"; readonly vm: VmNetwork }
  | { readonly call: "detach"; readonly vmId: string }
  | { readonly call: "close" }
  | { readonly call: "probe" }
  | { readonly call: "subnetClash"; readonly subnet: string };

export type Request = Call & { readonly id: number; readonly installation: TestInstallation };

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly notices: readonly string[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

/** The driver of one installation, in a namespace. */
export interface RemoteNetwork {
  readonly attach: (vm: VmNetwork) => Promise<Attachment>;
  readonly publish: (vm: VmNetwork) => Promise<void>;
  readonly applyPolicy: (vm: VmNetwork) => Promise<void>;
  readonly detach: (vmId: string) => Promise<void>;
  readonly close: () => Promise<void>;
  readonly probe: () => Promise<NetworkProbe>;
  readonly subnetClash: (subnet: string) => Promise<SubnetClash | undefined>;
  /** All that was told to the user so far. */
  readonly notices: string[];
}

/**
 * Starts a process in the namespace that drives any number of installations. `covered`: files of this machine that are
 * others there, by path.
 */
export async function startDriver(
  namespace: Namespace,
  covered: Readonly<Record<string, string>> = {},
): Promise<(installation: TestInstallation) => RemoteNetwork> {
  const waiting = new Map<number, (answer: Answer) => void>();
  const onLine = (line: string): void => {
    const answer = JSON.parse(line);
    waiting.get(answer.id)?.(answer);
  };
  const script = `${import.meta.dirname}/driver-process.ts`;
  // What `ip netns exec` starts has mounts of its own.
  const mounts = Object.entries(covered).map(([path, file]) => `mount --bind '${file}' '${path}' && `);
  const command = [
    "sh",
    "-c",
    `${mounts.join("")}exec "$@"`,
    "sh",
    process.execPath,
    "--conditions=linux",
    script,
  ];
  const driver = await namespace.start(command, onLine);
  return (installation) => remote(driver, waiting, installation);
}

let requests = 0;

function remote(
  driver: Started,
  waiting: Map<number, (answer: Answer) => void>,
  installation: TestInstallation,
): RemoteNetwork {
  const notices: string[] = [];
  const ask = async <T>(call: Call): Promise<T> => {
    requests += 1;
    const request: Request = { ...call, id: requests, installation };
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(request.id, resolve);
      driver.send(JSON.stringify(request));
    });
    waiting.delete(request.id);
    notices.push(...answer.notices);
    if (answer.error !== undefined) throw Object.assign(new Error(answer.error.message), answer.error);
    return JSON.parse(JSON.stringify(answer.value ?? null)) ?? undefined;
  };
  return {
    attach: (vm) => ask({ call: "attach", vm }),
    publish: (vm) => ask({ call: "publish", vm }),
    applyPolicy: (vm) => ask({ call: "applyPolicy", vm }),
    detach: (vmId) => ask({ call: "detach", vmId }),
    close: () => ask({ call: "close" }),
    probe: () => ask({ call: "probe" }),
    subnetClash: (subnet) => ask({ call: "subnetClash", subnet }),
    notices,
  };
}
