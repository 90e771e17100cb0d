import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { runCli } from "../testing/run-cli.ts";

/** What the library was asked: method and arguments, without the signal and the progress listener. */
async function callsOf(line: string): Promise<unknown[]> {
  const { calls, status, stderr } = await runCli(line.split(" "));
  expect({ line, status, stderr: status === 0 ? "" : stderr }).toEqual({ line, status: 0, stderr: "" });
  return calls
    .filter(({ method }) => method !== "close" && method !== "handle.inspect")
    .map(({ method, args }) => [method, ...args.map(plain)]);
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "signal" && key !== "onProgress");
  return Object.fromEntries(entries);
}

const mebibytes = 1024 ** 2;
const none = { environment: {} };

const cases: readonly (readonly [line: string, ...calls: readonly unknown[]])[] = [
  ["init", ["init", {}]],
  [
    "init --storage qcow2 --storage-path disks --size 20G --kernel ./vmlinux --hypervisor qemu --accel tcg --network user --subnet 10.1.0.0/16",
    [
      "init",
      {
        storage: "qcow2",
        storagePath: "/work/disks",
        sizeBytes: 20_480 * mebibytes,
        kernel: "/work/vmlinux",
        hypervisor: "qemu",
        accelerator: "tcg",
        network: "user",
        subnet: "10.1.0.0/16",
      },
    ],
  ],
  [
    "init --storage zfs --pool tank --dataset vms --device disks/one --fs btrfs --vdo",
    [
      "init",
      {
        storage: "zfs",
        pool: "tank",
        dataset: "vms",
        device: "/work/disks/one",
        fileSystem: "btrfs",
        vdo: true,
      },
    ],
  ],
  ["deinit --purge", ["deinit", { purge: true }]],
  ["info", ["info"]],
  ["doctor", ["doctor"]],
  ["reconcile", ["reconcile"]],
  ["prune --cache", ["prune", { images: false, kernels: false, cache: true }]],
  ["prune --all", ["prune", { images: true, kernels: true, cache: true }]],
  ["events -f", ["events", { follow: true }]],
  ["events --since 2026-01-01", ["events", { follow: false, since: "2026-01-01T00:00:00.000Z" }]],
  [
    "vm create web --image nginx",
    ["vms.create", { name: "web", image: "nginx", fullCopy: false, start: true, ...none }],
  ],
  [
    "vm create web --image nginx --cpus 2 --memory 1G --disk-size 9G --kernel mine --network none --user app --boot-args quiet -p 8080:80 -p 53:53/udp -e A=1 -e B=2 --full-copy --no-start -- sh -c x",
    [
      "vms.create",
      {
        name: "web",
        image: "nginx",
        cpus: 2,
        memoryBytes: 1024 * mebibytes,
        diskBytes: 9216 * mebibytes,
        kernel: "mine",
        network: "none",
        user: "app",
        bootArguments: "quiet",
        ports: [
          { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 },
          { protocol: "udp", hostAddress: "127.0.0.1", hostPort: 53, guestPort: 53 },
        ],
        environment: { A: "1", B: "2" },
        fullCopy: true,
        start: false,
        command: ["sh", "-c", "x"],
      },
    ],
  ],
  [
    "vm create web --image nginx -p 8000-8001:80-81 --egress none --allow-host api.github.com:443 --allow-host *.npmjs.org --deny-host x.npmjs.org --allow-cidr 10.0.0.0/8:53/udp --deny-cidr [fd00::]/8",
    [
      "vms.create",
      {
        name: "web",
        image: "nginx",
        fullCopy: false,
        start: true,
        ...none,
        ports: [
          { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8000, guestPort: 80 },
          { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8001, guestPort: 81 },
        ],
        egress: "none",
        allowHosts: ["api.github.com:443", "*.npmjs.org"],
        denyHosts: ["x.npmjs.org"],
        allowCidrs: ["10.0.0.0/8:53/udp"],
        denyCidrs: ["[fd00::]/8"],
      },
    ],
  ],
  [
    "vm publish web 8080:80 0.0.0.0:53:53/udp",
    [
      "vms.publish",
      "web",
      [
        { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 },
        { protocol: "udp", hostAddress: "0.0.0.0", hostPort: 53, guestPort: 53 },
      ],
    ],
  ],
  [
    "vm unpublish web 8080 127.0.0.1:53:53/udp",
    [
      "vms.unpublish",
      "web",
      [
        { protocol: "tcp", hostPort: 8080 },
        { protocol: "udp", hostPort: 53, hostAddress: "127.0.0.1", guestPort: 53 },
      ],
    ],
  ],
  [
    "vm update web --egress 10.0.0.0/8,192.0.2.7",
    ["vms.update", "web", { egress: ["10.0.0.0/8", "192.0.2.7"] }],
  ],
  ["vm update web --no-secrets", ["vms.update", "web", { secrets: [] }]],
  [
    "vm fork web copy --allow-host a.example",
    ["vms.fork", "web", { name: "copy", start: true, fullCopy: false, allowHosts: ["a.example"] }],
  ],
  ["net audit web", ["network.audit", "web"]],
  ["net audit web --forget", ["network.audit", "web"], ["network.forget", "web"]],
  ["net status", ["network.status"]],
  ["net resolver", ["network.hostResolver"]],
  ["net resolver --port 15353", ["network.answerHost", 15_353]],
  ["net resolver --off", ["network.answerHost", null]],
  ["vm start web", ["vms.start", "web", {}]],
  ["vm stop web --force --timeout 2m", ["vms.stop", "web", { force: true, timeoutMs: 120_000 }]],
  ["vm restart web", ["vms.restart", "web", { force: false }]],
  ["vm pause web", ["vms.pause", "web"]],
  ["vm resume web", ["vms.resume", "web"]],
  ["vm delete --force web", ["vms.delete", "web", { force: true, keepForks: false }]],
  ["vm delete --keep-forks web", ["vms.delete", "web", { force: false, keepForks: true }]],
  ["vm resize web --disk-size 20G", ["vms.resize", "web", 20_480 * mebibytes, {}]],
  ["vm tree", ["vms.tree"]],
  ["vm wait web", ["vms.wait", "web", "ready", {}]],
  ["vm wait web --for stopped --timeout 30s", ["vms.wait", "web", "stopped", { timeoutMs: 30_000 }]],
  ["vm list --usage", ["vms.list", { usage: true }]],
  ["vm inspect web", ["vms.inspect", "web"]],
  ["vm logs web -f --console", ["vms.logs", "web", { console: true, follow: true }]],
  ["vm stats", ["vms.stats", undefined]],
  ["vm stats web db", ["vms.stats", ["web", "db"]]],
  ["vm update web --cpus 4 --memory 2G", ["vms.update", "web", { cpus: 4, memoryBytes: 2048 * mebibytes }]],
  [
    "vm fork web copy --memory 2G --no-start",
    ["vms.fork", "web", { name: "copy", start: false, fullCopy: false, memoryBytes: 2048 * mebibytes }],
  ],
  [
    "vm fork web agent --count 100 --full-copy",
    ["vms.fork", "web", { name: "agent", count: 100, start: true, fullCopy: true }],
  ],
  ["snapshot create web clean", ["snapshots.create", "web", "clean", {}]],
  ["snapshot list", ["snapshots.list", undefined]],
  ["snapshot list web", ["snapshots.list", "web"]],
  ["snapshot restore web clean", ["snapshots.restore", "web", "clean", {}]],
  ["snapshot delete web clean", ["snapshots.delete", "web", "clean", {}]],
  ["snapshot diff web a b", ["snapshots.diff", "web", "a", "b", {}]],
  ["storage usage", ["storage.usage"]],
  ["storage grow", ["storage.grow", undefined], ["info"]],
  ["storage grow --size 200G", ["storage.grow", 204_800 * mebibytes], ["info"]],
  ["storage trim", ["storage.trim", [], {}]],
  ["storage trim web db", ["storage.trim", ["web", "db"], {}]],
  ["debug storage-efficiency", ["storage.efficiency"]],
  [
    "image pull nginx --name n --platform linux/arm64 --no-tls-verify",
    ["images.pull", { reference: "nginx", tlsVerify: false, name: "n", platform: "linux/arm64" }],
  ],
  ["image pull nginx", ["images.pull", { reference: "nginx" }]],
  [
    "image pull nginx --mirror m.lan:5000/hub --mirror n.lan --ca ca.pem --plain-http",
    [
      "images.pull",
      {
        reference: "nginx",
        mirrors: ["m.lan:5000/hub", "n.lan"],
        certificateFile: "/work/ca.pem",
        plainHttp: true,
      },
    ],
  ],
  ["image bootstrap debian:trixie --name t", ["images.bootstrap", "debian:trixie", { name: "t" }]],
  ["image import root.tar --name mine", ["images.import", "/work/root.tar", { name: "mine" }]],
  ["image list", ["images.list"]],
  ["image inspect nginx", ["images.inspect", "nginx"]],
  ["image build app", ["images.build", "/work", { name: "app", orDeveloper: true }]],
  ["image build app .", ["images.build", "/work", { name: "app" }]],
  [
    "image build app -f Dockerfile.dev src --builder podman",
    ["images.build", "/work/src", { name: "app", file: "/work/Dockerfile.dev", builder: "podman" }],
  ],
  ["image prune --older-than 14d", ["images.prune", { olderThanMs: 1_209_600_000 }]],
  ["image prune --older-than 90d", ["images.prune", { olderThanMs: 7_776_000_000 }]],
  ["image prune --unused-for 7d", ["images.prune", { unusedForMs: 604_800_000 }]],
  ["image prune", ["images.prune", {}]],
  ["image delete nginx --force", ["images.delete", "nginx", { force: true }]],
  ["kernel list", ["kernels.list"]],
  ["kernel pull debian", ["kernels.pull", "debian", {}]],
  [
    "kernel import vmlinux --name mine --initrd modules.cpio",
    ["kernels.import", "/work/vmlinux", { name: "mine", initrd: "/work/modules.cpio" }],
  ],
  ["kernel build -y", ["kernels.build", {}]],
  [
    "kernel build --yes -j 3 --name mine --config own.config --source linux.tar.xz --keyring keys.asc --signature https://x/s --kind vmlinux",
    [
      "kernels.build",
      {
        name: "mine",
        jobs: 3,
        format: "vmlinux",
        config: "/work/own.config",
        source: { from: "/work/linux.tar.xz", keyring: "/work/keys.asc", signature: "https://x/s" },
      },
    ],
  ],
  [
    "kernel build -y --arch arm64 -o Image --source https://x/linux.tar.xz --sha256 abc",
    [
      "kernels.build",
      { arch: "arm64", output: "/work/Image", source: { from: "https://x/linux.tar.xz", sha256: "abc" } },
    ],
  ],
  ["kernel default mine", ["kernels.setDefault", "mine"]],
  ["kernel delete mine", ["kernels.delete", "mine"]],
  ["ssh-config", ["vms.sshConfig", undefined]],
  ["ssh-config web", ["vms.sshConfig", ["web"]]],
];

describe("each command asks the library for what its flags say", () => {
  test.each(cases)("%s", async (line, ...calls) => {
    expect(await callsOf(line)).toEqual(calls);
  });

  test("a signal and a progress listener go with everything that may take long", async () => {
    for (const line of [
      "vm create a --image b",
      "vm start a",
      "image pull a",
      "kernel pull a",
      "init",
      "deinit",
    ]) {
      const { calls } = await runCli(line.split(" "));
      const options = calls[0]?.args.at(-1);
      expect(options).toMatchObject({ signal: expect.any(AbortSignal), onProgress: expect.any(Function) });
    }
  });

  test("the library is closed, also after a failure", async () => {
    expect((await runCli(["vm", "start", "web"])).calls.at(-1)?.method).toBe("close");
    expect((await runCli(["vm", "inspect", "nope"])).calls.at(-1)?.method).toBe("close");
  });
});

describe("the state folder", () => {
  test("is the flag's, else the environment's, else the platform's", async () => {
    const environment = { EMBER_STATE_DIR: "/from-env" };
    const folderOf = async (argv: string[], options = {}): Promise<string | undefined> =>
      (await runCli(argv, options)).opened[0]?.stateDir;
    expect(await folderOf(["--state-dir", "/from-flag", "info"], { environment })).toBe("/from-flag");
    expect(await folderOf(["info", "--state-dir=/from-flag"], { environment })).toBe("/from-flag");
    expect(await folderOf(["info"], { environment })).toBe("/from-env");
    expect(await folderOf(["info"])).toBe("/nowhere");
  });
});

describe("bad command lines end with status 2 and a hint, before anything is opened", () => {
  const lines: readonly (readonly [line: string, code: string, hint: string])[] = [
    ["frobnicate", "usage", "ember --help"],
    ["vm lst", "usage", "ember vm list"],
    ["vn list", "usage", "ember vm"],
    ["start web", "usage", "ember vm start"],
    ["list", "usage", "ember vm list"],
    ["--frob info", "usage", "ember --help"],
    ["--format xml info", "usage", "ember info --help"],
    ["--format", "usage", "--format=FORMAT"],
    ["vm start", "usage", "ember vm start --help"],
    ["vm start ../x", "invalid-name", "lower-case"],
    ["vm create web", "usage", "--image"],
    ["vm create --image nginx", "usage", "NAME"],
    ["vm create web --image nginx --memory 12", "invalid-size", "12M"],
    ["vm create web --image nginx --memory 8P", "invalid-size", "512M"],
    ["vm create web --image nginx --cpus 0", "usage", "--help"],
    ["vm create web --image nginx -p 80", "usage", "8080:80"],
    ["vm create web --image nginx -e A", "usage", "KEY=value"],
    ["vm create web --image nginx --network x", "usage", "none"],
    ["vm create web other --image nginx", "usage", "--"],
    ["vm list extra", "usage", "--help"],
    ["vm resize web", "usage", "--disk-size"],
    ["vm resize web --disk-size 20", "invalid-size", "20G"],
    ["vm fork web agent --count 0", "usage", "--help"],
    ["vm fork web agent --count many", "usage", "--help"],
    ["init --fs ext4", "usage", "--help"],
    ["snapshot create", "usage", "--help"],
    ["snapshot restore web", "usage", "--help"],
    ["snapshot delete web", "usage", "--help"],
    ["snapshot diff web", "usage", "--help"],
    ["storage trim ../x", "invalid-name", "lower-case"],
    ["storage grow 200G", "usage", "--help"],
    ["vm list --status sleeping", "usage", "--help"],
    ["vm update web", "usage", "--cpus"],
    ["vm create web --image nginx --allow-host 10.0.0.1", "usage", "--allow-cidr 10.0.0.1/32"],
    ["vm create web --image nginx --egress api.github.com", "usage", "--allow-host"],
    ["vm create web --image nginx --secret TOKEN=hunter2", "usage", "env:VARIABLE"],
    ["vm create web --image nginx --secret TOKEN=@t", "usage", "--secret-host TOKEN=HOST"],
    ["vm create web --image nginx --secret-host a.example", "usage", "--secret NAME=@FILE"],
    ["vm create web --image nginx --secret A=@t --secret-host B=a.example", "usage", "--secret B=@FILE"],
    ["vm create web --image nginx --secret A=env:NOT_SET --secret-host a.example", "usage", "export it"],
    ["vm publish web 8080", "usage", "8080:8080"],
    ["vm unpublish web", "usage", "--help"],
    ["net audit", "usage", "--help"],
    ["image import x.tar", "usage", "--help"],
    ["image pull nginx --platform linux", "usage", "linux/amd64"],
    ["prune", "usage", "--cache"],
    ["exec web", "usage", "--"],
    ["exec web ls", "usage", "-- ls"],
    ["exec web --user", "usage", "--user=USER"],
    ["forward web", "usage", "--help"],
    ["forward web 80", "usage", "8080:80"],
    ["events --since yesterday", "usage", "1h"],
    ["completion tcsh", "usage", "--help"],
    ["run", "usage", "--help"],
    ["run -d -it debian", "usage", "leave out"],
    ["help vm frob", "usage", "ember vm"],
  ];
  test.each(lines)("%s", async (line, code, hint) => {
    const { status, stdout, stderr, opened } = await runCli([...line.split(" ")]);
    expect({ status, stdout, opened }).toEqual({ status: 2, stdout: "", opened: [] });
    expect(stderr).toStartWith("error: ");
    expect(stderr).toContain("hint: ");
    expect(stderr).toContain(hint);
    const json = await runCli(["--format=json", ...line.split(" ")].filter((word) => word !== "xml"));
    if (!line.startsWith("--format")) expect(JSON.parse(json.stderr)).toMatchObject({ error: { code } });
  });
});

describe("failures of the library", () => {
  test("become error and hint on standard error, and the code's exit status", async () => {
    const result = await runCli(["vm", "inspect", "nope"]);
    expect(result).toMatchObject({
      status: 3,
      stdout: "",
      stderr: "error: there is no VM 'nope'\nhint: see: ember vm list\n",
    });
  });

  test("are JSON when JSON was asked for", async () => {
    const result = await runCli(["vm", "inspect", "nope", "--format", "json"]);
    expect(result).toMatchObject({ status: 3, stdout: "" });
    expect(JSON.parse(result.stderr).error).toEqual({
      code: "vm-not-found",
      message: "there is no VM 'nope'",
      hint: "see: ember vm list",
    });
  });

  test("a failure while closing is told", async () => {
    const installation = {
      [Symbol.asyncDispose]: async () => {
        throw new EmberError("database-failed", "the database could not be closed");
      },
    };
    expect(await runCli(["info"], { installation })).toMatchObject({
      status: 1,
      stderr: "error: the database could not be closed\n",
    });
  });
});
