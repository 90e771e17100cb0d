import { run } from "./run.ts";

// What macOS says of its networks. Each function takes what it does not understand for "not known".

const vmnetSettings = "/Library/Preferences/SystemConfiguration/com.apple.vmnet";

/** One setting of the network that macOS makes for virtual machines, as text; undefined when it was never set. */
export async function vmnetSetting(
  name: "Shared_Net_Address" | "Shared_Net_Mask",
): Promise<string | undefined> {
  const { status, stdout } = await run("/usr/bin/defaults", ["read", vmnetSettings, name], {
    okStatuses: [0, 1],
    timeoutMs: 10_000,
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** The interface by which packets to a destination ("default", or an address) leave. */
export async function routeInterface(destination: string): Promise<string | undefined> {
  const { stdout } = await run("/sbin/route", ["-n", "get", destination], {
    okStatuses: [0, 1, 64, 77],
    timeoutMs: 10_000,
  });
  return /^\s*interface: (\S+)$/m.exec(stdout)?.[1];
}

/** The name servers of this host, as it asks them now: those on its own loopback are left out. */
export async function hostResolvers(): Promise<readonly string[]> {
  const { stdout } = await run("/usr/sbin/scutil", ["--dns"], { okStatuses: [0, 1], timeoutMs: 10_000 });
  const found = Array.from(
    stdout.matchAll(/^\s*nameserver\[\d+\] : (\d+\.\d+\.\d+\.\d+)\s*$/gm),
    (match) => match[1] ?? "",
  );
  return [...new Set(found)].filter((address) => !address.startsWith("127."));
}
