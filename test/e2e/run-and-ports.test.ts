import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { executable, hypervisorsOf, TestInstallation } from "../support/ember.ts";
import { busyboxImages } from "../support/images.ts";
import { writeLayout } from "../support/layouts.ts";
import { TestRegistry } from "../support/registry.ts";

// Images from a real registry; `run` in its forms; published ports, forwards and the network that is none.
const ember = new TestInstallation();
let registry: TestRegistry | undefined;
let work: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-run-"));
  const started = await TestRegistry.start();
  registry = started;
  for (const [name, image] of Object.entries(busyboxImages)) {
    const layout = join(work, name);
    writeLayout(layout, { ...image(), docker: false });
    started.push(layout, `test/${name.toLowerCase()}`);
  }
  await ember.ok(["init"]);
  for (const name of Object.keys(busyboxImages)) {
    const reference = `${started.host}/test/${name.toLowerCase()}:latest`;
    await ember.ok(["image", "pull", reference, "--name", name.toLowerCase(), "--no-tls-verify"]);
  }
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

const small = ["--memory", "256M"];

describe("images from a registry", () => {
  test("have their layers applied: changed, removed and hidden files", async () => {
    const script = "cat /data/kept /data/changed; ls /data /hidden";
    const result = await ember.run(["run", ...small, "layered", "--", "sh", "-c", script]);
    expect(result.stdout.split(/\s+/).filter((word) => word !== "")).toEqual([
      "12/data:",
      "changed",
      "kept",
      "/hidden:",
      "new",
    ]);
  }, 120_000);

  test("keep their ENTRYPOINT, CMD, ENV, USER and WORKDIR", async () => {
    await ember.ok(["run", "-d", "--name", "service", ...small, "entrypoint"]);
    const log = await logWith("service", "/home/kim");
    expect(log).toContain("started argument blue");
    expect(log).toContain("uid=1000(kim)");
    expect(log).toContain("/home/kim");
    await ember.ok(["vm", "delete", "--force", "service"]);
  }, 120_000);
});

describe("run", () => {
  test("passes output, input and status on, and deletes the VM", async () => {
    const result = await ember.run(
      ["run", "-i", ...small, "plain", "--", "sh", "-c", "cat; echo err >&2; exit 5"],
      {
        input: "from outside",
      },
    );
    expect({ status: result.status, stdout: result.stdout }).toEqual({ status: 5, stdout: "from outside" });
    expect(result.stderr).toContain("err");
    expect(await ember.json(["vm", "list"])).toEqual([]);
    expect(hypervisorsOf(ember.stateDir)).toEqual([]);
  }, 120_000);

  test("interrupted with Ctrl-C deletes the VM", async () => {
    const result = await ember.run(["run", ...small, "plain", "--", "sleep", "600"], {
      killWhen: { signal: "SIGINT", after: () => hypervisorsOf(ember.stateDir).length > 0 },
    });
    expect(result.status).not.toBe(0);
    expect(await ember.json(["vm", "list"])).toEqual([]);
    expect(hypervisorsOf(ember.stateDir)).toEqual([]);
  }, 120_000);

  test("-d leaves it running, and the VM ends with its command", async () => {
    expect(await ember.ok(["run", "-d", "--name", "job", ...small, "commandonly"])).toContain("job");
    await ember.ok(["vm", "wait", "job", "--for", "stopped", "--timeout", "60s"]);
    expect(await ember.ok(["vm", "logs", "job"])).toContain("done");
    expect(await ember.ok(["vm", "logs", "job", "--console"])).toContain("process exited 3");
    await ember.ok(["vm", "delete", "job"]);
  }, 120_000);
});

describe("ports", () => {
  test("published lead into the guest; one that is taken is named with its owner", async () => {
    const port = await freePort();
    const serve = ["sh", "-c", "while true; do echo hello | nc -l -p 80; done"];
    await ember.ok(["vm", "create", "web", "--image", "plain", ...small, "-p", `${port}:80`, "--", ...serve]);
    expect(await readAll(port)).toBe("hello\n");
    const second = await ember.run([
      "vm",
      "create",
      "web2",
      "--image",
      "plain",
      ...small,
      "-p",
      `${port}:80`,
    ]);
    expect(second.status).toBe(4);
    expect(second.stderr).toContain(`${port}`);
    expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "web" }]);
  }, 180_000);

  test("forwarded lead into the guest until the command is interrupted", async () => {
    const port = await freePort();
    const child = spawn(executable, ["forward", "web", `${port}:80`], {
      env: ember.environment,
      stdio: "ignore",
    });
    try {
      expect(await readAll(port)).toBe("hello\n");
    } finally {
      child.kill("SIGINT");
      await new Promise((resolve) => child.on("exit", resolve));
    }
    await expect(readOnce(port)).rejects.toThrow();
    await ember.ok(["vm", "delete", "--force", "web"]);
  }, 60_000);

  test("of another program are refused before anything is made", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const result = await ember.run([
        "vm",
        "create",
        "web",
        "--image",
        "plain",
        ...small,
        "-p",
        `${port}:80`,
      ]);
      expect(result.status).toBe(4);
      expect(result.stderr).toContain(`${port}`);
      expect(await ember.json(["vm", "list"])).toEqual([]);
    } finally {
      server.close();
    }
  }, 60_000);
});

describe("--network none", () => {
  test("leaves exec and cp working and nothing else", async () => {
    await ember.ok(["vm", "create", "alone", "--image", "plain", ...small, "--network", "none"]);
    expect(await ember.ok(["exec", "alone", "--", "echo", "here"])).toBe("here");
    const details = (await ember.json(["vm", "inspect", "alone"])) as { network: { hostIp: string } };
    const server = createServer((socket) => socket.end("reached"));
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const attempt = `nc -w 3 ${details.network.hostIp} ${port} < /dev/null || echo refused`;
      expect(await ember.ok(["exec", "alone", "--", "sh", "-c", attempt])).toBe("refused");
    } finally {
      server.close();
    }
    await ember.ok(["vm", "delete", "--force", "alone"]);
  }, 120_000);
});

describe("prune", () => {
  test("takes what nothing uses and leaves the rest", async () => {
    await ember.ok(["vm", "create", "user", "--image", "plain", "--no-start"]);
    await ember.ok(["prune", "--images"]);
    expect(await ember.json(["image", "list"])).toMatchObject([{ name: "plain" }]);
    const refused = await ember.run(["image", "delete", "plain"]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain("user");
    await ember.ok(["image", "delete", "--force", "plain"]);
    expect(await ember.json(["vm", "list"])).toEqual([]);
  }, 60_000);
});

/** The log of a VM's command once it holds a text: the command starts beside the agent, not before it. */
async function logWith(name: string, text: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const log = await ember.ok(["vm", "logs", name]);
    if (log.includes(text) || attempt === 40) return log;
    await sleep(250);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

function readOnce(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(3000, () => socket.destroy(new Error("silent")));
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}

/** What the service says, once it is up: the guest's command starts beside the agent, not before it. */
async function readAll(port: number): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const text = await readOnce(port).catch(() => "");
    if (text !== "" || attempt === 40) return text;
    await sleep(250);
  }
}
