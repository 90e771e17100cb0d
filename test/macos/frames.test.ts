import { expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setToolEnvironment } from "../../src/host/tools.ts";
import { Bench } from "./helper.ts";

setToolEnvironment(process.env);

/** A network of one address, which answers who asks for it. */
function buildFrames(bench: Bench): string {
  const program = bench.path("frames");
  const source = join(import.meta.dir, "../support/frames/main.go");
  execFileSync("go", ["build", "-o", program, source], { env: { ...process.env, CGO_ENABLED: "0" } });
  return program;
}

test("with --network socket:PATH frames go out as datagrams, and answers come in", async () => {
  using bench = new Bench();
  const program = buildFrames(bench);
  await bench.prepare(
    "ifconfig eth0 10.0.0.2 up; while :; do arping -c 1 -w 2 -I eth0 10.0.0.1; sleep 0.2; done",
  );
  const wire = spawn(program, [bench.path("wire")], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let asked = "";
    wire.stdout.on("data", (chunk: Buffer) => {
      asked += chunk.toString();
    });
    while (!existsSync(bench.path("wire"))) await Bun.sleep(10);
    const network = ["--network", `socket:${bench.path("wire")}`, "--mac", "52:54:00:0a:0b:0c"];
    await using machine = await bench.run("log", ...network);
    expect(machine.said.state).toBe("running");
    await machine.until(() =>
      /reply from 10\.0\.0\.1 \[52:54:00:01:02:03\]/i.test(readFileSync(machine.log, "utf8")),
    );
    expect(asked).toContain("asked 10.0.0.1\n");
  } finally {
    wire.kill();
  }
}, 120_000);

test("frames go to a network that was started anew in place of the first", async () => {
  using bench = new Bench();
  const program = buildFrames(bench);
  await bench.prepare(
    "ifconfig eth0 10.0.0.2 up; while :; do arping -c 1 -w 2 -I eth0 10.0.0.1; sleep 0.2; done",
  );
  const path = bench.path("wire");
  const first = spawn(program, [path], { stdio: "ignore" });
  while (!existsSync(path)) await Bun.sleep(10);
  await using machine = await bench.run("log", "--network", `socket:${path}`, "--mac", "52:54:00:0a:0b:0c");
  const replies = (): number =>
    readFileSync(machine.log, "utf8").match(/reply from 10\.0\.0\.1/gi)?.length ?? 0;
  await machine.until(() => replies() > 0);
  first.kill("SIGKILL");
  await new Promise((resolve) => first.on("exit", resolve));
  const before = replies();
  rmSync(path, { force: true });
  const second = spawn(program, [path], { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  second.stdout.on("data", (chunk: Buffer) => {
    told += chunk.toString();
  });
  try {
    await machine.until(() => replies() > before);
    // Before the guest says anything: a silent one is heard of as well.
    expect(told).toStartWith("greeted\nasked");
  } finally {
    second.kill();
  }
}, 120_000);

test("a socket that nobody is at is refused by its path", async () => {
  using bench = new Bench();
  await bench.prepare("sleep 1000");
  await using machine = await bench.run("log", "--network", `socket:${bench.path("nobody")}`);
  expect(machine.said).toMatchObject({ state: "failed", message: expect.stringContaining("nobody") });
}, 60_000);
