import { expect, test } from "bun:test";
import { runCli } from "../../testing/run-cli.ts";
import { sampleEfficiency, sampleReport } from "../../testing/storage-samples.ts";

test("storage usage shows every column, '-' where it cannot be known, and the pool", async () => {
  const { stdout } = await runCli(["storage", "usage"]);
  expect(stdout).toBe(
    [
      "NAME     KIND      PROVISIONED  REFERENCED  EXCLUSIVE  SHARED  COMPRESSION  FREES",
      "nginx    image              2G        190M         0B    190M        2.00x     0B",
      "web      vm                 8G        240M        50M    190M        1.67x    60M",
      "  clean  snapshot           8G           -          -       -            -      -",
      "",
      "reflink at /var/lib/ember/storage",
      "25G of 100G used, 70M of it reserved, 75G free",
      "",
    ].join("\n"),
  );
  const { stdout: json } = await runCli(["storage", "usage", "--format", "json"]);
  expect(JSON.parse(json)).toEqual(sampleReport);
});

test("storage grow hands on the size and says what there is now", async () => {
  const grown = await runCli(["storage", "grow", "--size", "200G"]);
  expect(grown.calls).toContainEqual({ method: "storage.grow", args: [200 * 1024 ** 3] });
  expect(grown.stdout).toBe("grew the storage to 100G in 0 ms\n");
  const { stdout } = await runCli(["storage", "grow", "--format", "json"]);
  expect(JSON.parse(stdout)).toMatchObject({ totalBytes: 100 * 1024 ** 3 });
});

test("storage trim tells what each VM gave back", async () => {
  expect((await runCli(["storage", "trim"])).stdout).toBe("web: 3M discarded\ndb: not trimmed\n");
});

test("debug storage-efficiency counts, sums and divides", async () => {
  const { stdout } = await runCli(["debug", "storage-efficiency"]);
  expect(stdout).toBe(
    [
      "images     1 (380M)",
      "VMs        1 (400M)",
      "snapshots  0 (0B)",
      "logical    780M",
      "actual     240M",
      "ratio      3.25x",
      "",
    ].join("\n"),
  );
  const unknown = { ...sampleEfficiency, logicalBytes: null, actualBytes: null, ratio: null };
  const result = await runCli(["debug", "storage-efficiency"], {
    storage: { efficiency: async () => unknown },
  });
  expect(result.stdout).toContain("ratio      -\n");
});
