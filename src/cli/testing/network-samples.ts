import type { HostResolver, NetworkAudit, NetworkFlow, NetworkStatus } from "../../types.ts";

export const sampleFlow = (changes: Partial<NetworkFlow> = {}): NetworkFlow => ({
  protocol: "tcp",
  name: "api.github.com",
  by: "sni",
  address: "140.82.112.5",
  port: 443,
  verdict: "allowed",
  rule: "--allow-host api.github.com",
  count: 3,
  firstAt: "2026-03-01T11:00:00.000Z",
  lastAt: "2026-03-01T11:59:00.000Z",
  ...changes,
});

export const sampleAudit = (vm: string): NetworkAudit => ({
  vm,
  flows: [
    sampleFlow(),
    sampleFlow({ name: "evil.example", verdict: "refused", rule: "", count: 12 }),
    sampleFlow({ name: "", by: "address", address: "10.0.0.5", port: 5432, rule: "--allow-cidr 10.0.0.0/8" }),
    sampleFlow({
      protocol: "dns",
      name: "evil.example",
      by: "question",
      address: "",
      port: 53,
      verdict: "refused",
    }),
  ],
  learned: {
    default: "refuse",
    rules: [
      {
        action: "allow",
        cidr: "10.0.0.5/32",
        port: 5432,
        protocol: "tcp",
        text: "--allow-cidr 10.0.0.5/32:5432/tcp",
      },
      { action: "allow", host: "api.github.com", port: 443, text: "--allow-host api.github.com:443" },
    ],
  },
});

export const sampleNetworkStatus: NetworkStatus = {
  driver: "user",
  process: { pid: 77, version: "0.1.0", startedAt: "2026-03-01T10:00:00.000Z" },
  vms: [
    {
      id: "0123456789ab",
      name: "web",
      linked: true,
      allowed: 12,
      refused: 3,
      spoofed: 0,
      connections: 2,
      receivedBytes: 2048,
      sentBytes: 1024,
    },
  ],
};

export const sampleResolver = (port: number | null): HostResolver => ({
  port,
  names: [{ name: "web.ember.internal", address: "127.0.0.1" }],
});
