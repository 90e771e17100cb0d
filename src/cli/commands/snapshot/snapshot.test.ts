import { describe, expect, test } from "bun:test";
import { EmberError } from "../../../errors/ember-error.ts";
import { runCli } from "../../testing/run-cli.ts";
import { sampleChanges, sampleSnapshot } from "../../testing/storage-samples.ts";

describe("snapshot create", () => {
  test("prints the name, which is the time's when none is given", async () => {
    const { stdout, stderr } = await runCli(["snapshot", "create", "web", "clean"]);
    expect({ stdout, stderr }).toEqual({ stdout: "clean\n", stderr: "snapshot of web taken in 0 ms\n" });
    const json = await runCli(["snapshot", "create", "web", "--format", "json"]);
    expect(JSON.parse(json.stdout)).toEqual(sampleSnapshot({ name: "20260301-120000" }));
    expect(json.calls[0]).toEqual({
      method: "snapshots.create",
      args: ["web", undefined, expect.anything()],
    });
  });

  test("leaves it to the library to refuse a name, an empty one too", async () => {
    const create = async (_vm: string, name?: string): Promise<never> => {
      throw new EmberError("invalid-name", `'${name}' cannot be a snapshot's name`);
    };
    for (const name of ["", "../x"]) {
      expect(
        (await runCli(["snapshot", "create", "web", "--", name], { snapshots: { create } })).status,
      ).toBe(2);
    }
  });
});

describe("snapshot list", () => {
  test("is a table; --quiet prints VM and name", async () => {
    const { stdout } = await runCli(["snapshot", "list"]);
    expect(stdout).toBe("VM   NAME   SIZE  STATUS   AGE\nweb  clean    8G  running   1h\n");
    expect((await runCli(["snapshot", "list", "-q"])).stdout).toBe("web clean\n");
    expect(JSON.parse((await runCli(["snapshot", "list", "--format", "json"])).stdout)).toEqual([
      sampleSnapshot(),
    ]);
  });

  test("says how to make the first one, for this VM when one was named", async () => {
    const snapshots = { list: async (): Promise<[]> => [] };
    const all = await runCli(["snapshot", "list"], { snapshots });
    expect(all).toMatchObject({
      stdout: "",
      stderr: "no snapshots; make one: ember snapshot create VM NAME\n",
    });
    const one = await runCli(["snapshot", "list", "web"], { snapshots });
    expect(one.stderr).toBe("web has no snapshots; make one: ember snapshot create web NAME\n");
    expect((await runCli(["snapshot", "list", "--format=json"], { snapshots })).stdout).toBe("[]\n");
  });
});

test("snapshot restore says how to undo it, on standard error", async () => {
  const { stdout, stderr } = await runCli(["snapshot", "restore", "web", "clean"]);
  expect(stdout).toBe("");
  expect(stderr).toContain("ember snapshot restore web before-restore");
});

test("snapshot delete tries all that were named, and says which one failed", async () => {
  const remove = async (_vm: string, name: string): Promise<void> => {
    if (name === "gone") throw new EmberError("snapshot-not-found", "VM 'web' has no snapshot 'gone'");
  };
  const { status, stderr } = await runCli(["snapshot", "delete", "web", "a", "gone", "b"], {
    snapshots: { delete: remove },
  });
  expect(status).toBe(3);
  expect(stderr).toContain("deleted a in");
  expect(stderr).toContain("deleted b in");
  expect(stderr).toContain("error: VM 'web' has no snapshot 'gone'");
});

describe("snapshot diff", () => {
  test("shows a line for each file, and ends with 0", async () => {
    const { stdout, status } = await runCli(["snapshot", "diff", "web", "clean"]);
    expect(status).toBe(0);
    expect(stdout).toBe("+ /etc/new\nM /etc/passwd (content, mode)\n- /srv/?[2Jold/\n");
    const { stdout: json } = await runCli(["snapshot", "diff", "web", "a", "b", "--format", "json"]);
    expect(JSON.parse(json)).toEqual([...sampleChanges]);
  });

  test("prints nothing where nothing differs", async () => {
    const snapshots = { diff: async (): Promise<[]> => [] };
    expect(await runCli(["snapshot", "diff", "web", "clean"], { snapshots })).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "",
    });
    const { stdout } = await runCli(["snapshot", "diff", "web", "clean", "--format", "json"], { snapshots });
    expect(stdout).toBe("[]\n");
  });
});
