import * as v from "valibot";
import type { NetworkFlow, NetworkPolicy, VmNetworkStatus } from "../../types.ts";
import type { PublishedPort } from "../network.ts";
import type { NetworkAuthority, NetworkSecret } from "../policy.ts";

/** The version of what is said over the control socket. Another one is not understood, but for `hello`. */
export const protocolVersion = 2;

/** A VM as ember-net is told of it. IPv6 addresses are "" where there are none. */
export interface AttachedVm {
  readonly id: string;
  readonly name: string;
  readonly mac: string;
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string;
  readonly resolver: string;
  readonly address6: string;
  readonly gateway6: string;
  readonly resolver6: string;
  readonly mtu: number;
  /**
   * "stream": ember-net connects there, again and again; "datagram": it binds there; "redirect": it listens on that interface,
   * and carries no packets.
   */
  readonly link:
    | { readonly kind: "stream" | "datagram"; readonly path: string }
    | { readonly kind: "redirect"; readonly device: string };
  /** It listens there, and leads to the guest's ports by Firecracker's protocol for vsock; "" with "redirect". */
  readonly agent: { readonly path: string };
  /** False: nothing but the agent's socket works. */
  readonly connected: boolean;
  readonly ports: readonly PublishedPort[];
  readonly policy: NetworkPolicy;
  readonly secrets: readonly NetworkSecret[];
  readonly authority: NetworkAuthority | null;
  /** Files that outlive ember-net: of what the VM reached, and of what the resolver answered it. */
  readonly flowRecord: string;
  readonly answers: string;
}

/** URLs, and a list of names as in NO_PROXY; "" where there is none. */
export interface ProxySettings {
  readonly https: string;
  readonly http: string;
  readonly none: string;
}

export type Request =
  | { readonly op: "hello" }
  /** `subnets`: where the installation's VMs have their addresses from, CIDR. Without `proxy` that is left as it is. */
  | {
      readonly op: "configure";
      readonly proxy?: ProxySettings;
      readonly hostResolverPort: number;
      readonly subnets: readonly string[];
    }
  | { readonly op: "attach"; readonly vm: AttachedVm }
  | { readonly op: "detach"; readonly id: string }
  | { readonly op: "publish"; readonly id: string; readonly ports: readonly PublishedPort[] }
  | ({ readonly op: "policy"; readonly id: string } & Pick<AttachedVm, "policy" | "secrets" | "authority">)
  | { readonly op: "status" }
  | { readonly op: "flows"; readonly id: string }
  | { readonly op: "forget"; readonly id: string };

const text = v.pipe(v.string(), v.maxLength(4096));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const ok = v.literal(true);

/** An answer's reader. */
type Answer<T> = v.GenericSchema<unknown, T>;

/** What every request may be answered with. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}
export const failure: Answer<{ readonly error: Failure }> = v.object({
  error: v.object({ code: text, message: text, hint: v.optional(text) }),
});

export const done: Answer<{ readonly ok: true }> = v.object({ ok });

export interface Hello {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
}
export const hello: Answer<Hello> = v.object({
  ok,
  protocol: count,
  version: text,
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  startedAt: text,
});

const vmStatus: Answer<VmNetworkStatus> = v.object({
  ...{ id: text, name: text, linked: v.boolean(), allowed: count, refused: count, spoofed: count },
  ...{ connections: count, receivedBytes: count, sentBytes: count },
});
export const status: Answer<{ readonly vms: readonly VmNetworkStatus[] }> = v.object({
  ok,
  vms: v.array(vmStatus),
});

interface Redirects {
  readonly vms: readonly {
    readonly id: string;
    readonly redirect?: { readonly tcpPort: number; readonly dnsPort: number } | undefined;
  }[];
}
/** Of the same answer, where a firewall is to redirect connections to. */
export const redirects: Answer<Redirects> = v.object({
  vms: v.array(v.object({ id: text, redirect: v.optional(v.object({ tcpPort: count, dnsPort: count })) })),
});

const flow: Answer<NetworkFlow> = v.object({
  protocol: v.picklist(["tcp", "udp", "icmp", "dns"]),
  name: text,
  by: v.picklist(["sni", "host", "answer", "address", "question"]),
  address: text,
  port: count,
  verdict: v.picklist(["allowed", "refused"]),
  rule: text,
  count,
  firstAt: text,
  lastAt: text,
});
interface Flows {
  readonly flows: readonly NetworkFlow[];
}
export const flows: Answer<Flows> = v.object({ ok, flows: v.array(flow) });

/** The content of a VM's `flowRecord`. */
export const flowFile: Answer<Flows> = v.object({ flows: v.array(flow) });
