import { describe, expect, test } from "bun:test";
import { runCli } from "../../testing/run-cli.ts";
import { sampleChanges, sampleReport, sampleSnapshot, sampleTree } from "../../testing/storage-samples.ts";

const terminal = { terminal: true, environment: { NO_COLOR: "1", LANG: "C.UTF-8" } };

describe("snapshot", () => {
  test("create takes the name or leaves it to the time, and prints it", async () => {
    expect((await runCli(["snapshot", "create", "web", "clean", "-q"])).stdout).toBe("clean\n");
    const { stdout, calls } = await runCli(["snapshot", "create", "web", "--format", "json"]);
    expect(JSON.parse(stdout)).toEqual(sampleSnapshot({ name: "20260301-120000" }));
    expect(calls).toContainEqual({
      method: "snapshots.create",
      args: ["web", undefined, expect.anything()],
    });
  });

  test("list is a table; an empty one says how to make the first", async () => {
    const { stdout } = await runCli(["snapshot", "list"]);
    expect(stdout).toBe("VM   NAME   SIZE  STATUS   AGE\nweb  clean    8G  running   1h\n");
    const none = await runCli(["snapshot", "list", "web"], { snapshots: { list: async () => [] } });
    expect(none).toMatchObject({ stdout: "", stderr: expect.stringContaining("ember snapshot create") });
  });

  test("restore says how to undo it, on standard error", async () => {
    const { stdout, stderr } = await runCli(["snapshot", "restore", "web", "clean"]);
    expect(stdout).toBe("");
    expect(stderr).toContain("ember snapshot restore web before-restore");
  });

  test("diff shows one line for each file, and no control characters of the guest's", async () => {
    const { stdout } = await runCli(["snapshot", "diff", "web", "clean"]);
    expect(stdout).toBe("+ /etc/new\nM /etc/passwd (content, mode)\n- /srv/?[2Jold/\n");
    const { stdout: json } = await runCli(["snapshot", "diff", "web", "a", "b", "--format", "json"]);
    expect(JSON.parse(json)).toEqual([...sampleChanges]);
  });
});

describe("storage", () => {
  test("usage shows every column, '-' where it cannot be known, and the pool", async () => {
    const { stdout } = await runCli(["storage", "usage"]);
    expect(stdout).toBe(
      [
        "NAME           PROVISIONED  REFERENCED  EXCLUSIVE  SHARED  COMPRESSION  FREES",
        "nginx (image)           2G        190M         0B    190M        2.00x     0B",
        "web                     8G        240M        50M    190M        1.67x    60M",
        "  @clean                8G           -          -       -            -      -",
        "",
        "reflink at /var/lib/ember/storage",
        "25G of 100G used, 70M of it reserved, 75G free",
        "",
      ].join("\n"),
    );
  });

  test("usage fits 80 columns of a terminal with long names, each row with its bar", async () => {
    const [image, vm] = sampleReport.disks;
    if (image === undefined || vm === undefined) throw new Error("no samples");
    const long = { ...vm, name: "n".repeat(63) };
    const report = { ...sampleReport, disks: [{ ...image, name: `ghcr.io/${"x".repeat(80)}:1` }, long, vm] };
    const { stdout } = await runCli(["storage", "usage"], {
      ...terminal,
      storage: { usage: async () => report },
    });
    for (const line of stdout.split("\n")) expect([...line].length).toBeLessThanOrEqual(80);
    expect(stdout.match(/[█▒·]{8}/g)?.length).toBeGreaterThanOrEqual(3);
    expect(stdout).toContain("█▒▒▒▒▒▒");
  });

  test("grow hands on the size and says what there is now", async () => {
    const { stderr, calls } = await runCli(["storage", "grow", "--size", "200G"]);
    expect(calls).toContainEqual({ method: "storage.grow", args: [200 * 1024 ** 3] });
    expect(stderr).toContain("100G");
  });

  test("trim tells what each VM gave back", async () => {
    expect((await runCli(["storage", "trim"])).stdout).toBe(
      "web: 3M discarded\ndb: not running, trimmed when it stopped\n",
    );
  });

  test("efficiency counts, sums and divides", async () => {
    const { stdout } = await runCli(["debug", "storage-efficiency"]);
    expect(stdout).toContain("ratio      3.25x");
    expect(stdout).toContain("images     1 (380M)");
  });
});

describe("vm", () => {
  test("tree draws who came from whom, in ASCII where the terminal has no more", async () => {
    const ascii = await runCli(["vm", "tree"], { environment: { LANG: "C" } });
    expect(ascii.stdout).toBe(
      [
        "nginx (image)             0B",
        "|- web          running  50M",
        "|  |- @clean               -",
        "|  `- web-test  stopped   4K",
        "`- db           created   0B",
        "",
      ].join("\n"),
    );
    const { stdout } = await runCli(["vm", "tree"], terminal);
    expect(stdout).toContain("│  └─ web-test  stopped   4K\n└─ db ");
    const { stdout: json } = await runCli(["vm", "tree", "--format", "json"]);
    expect(JSON.parse(json)).toEqual([sampleTree]);
  });

  test("fork --count names all of them", async () => {
    const args = ["vm", "fork", "web", "agent", "--count", "3", "--no-start"];
    const { stdout, calls } = await runCli([...args, "-q"]);
    expect(stdout).toBe("agent-1\nagent-2\nagent-3\n");
    expect(calls).toContainEqual({
      method: "vms.fork",
      args: ["web", expect.objectContaining({ name: "agent", count: 3, start: false })],
    });
    expect((await runCli(args)).stdout).toStartWith("forked 3 VMs, agent-1 to agent-3, in ");
  });

  test("resize needs a size with a unit", async () => {
    expect((await runCli(["vm", "resize", "web"])).status).toBe(2);
    expect((await runCli(["vm", "resize", "web", "--disk-size", "20"])).status).toBe(2);
    const { calls } = await runCli(["vm", "resize", "web", "--disk-size", "20G"]);
    expect(calls).toContainEqual({
      method: "vms.resize",
      args: ["web", 20 * 1024 ** 3, expect.anything()],
    });
  });
});

test("init hands on what is asked of the storage", async () => {
  const args = [
    "--storage",
    "zfs",
    "--pool",
    "tank",
    "--dataset",
    "vms",
    "--device",
    "/dev/sdz",
    "--fs",
    "btrfs",
  ];
  const { calls } = await runCli(["init", ...args, "--vdo"]);
  expect(calls).toContainEqual({
    method: "init",
    args: [
      expect.objectContaining({
        storage: "zfs",
        pool: "tank",
        dataset: "vms",
        device: "/dev/sdz",
        fileSystem: "btrfs",
        vdo: true,
      }),
    ],
  });
});
