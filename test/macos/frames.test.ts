import { expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setToolEnvironment } from "../../src/host/tools.ts";
import { Bench } from "./helper.ts";

setToolEnvironment(process.env);

test("with --network socket:PATH frames go out as datagrams, and answers come in", async () => {
  using bench = new Bench();
  const program = bench.path("frames");
  const source = join(import.meta.dir, "../support/frames/main.go");
  execFileSync("go", ["build", "-o", program, source], { env: { ...process.env, CGO_ENABLED: "0" } });
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

test("a socket that nobody is at is refused by its path", async () => {
  using bench = new Bench();
  await bench.prepare("sleep 1000");
  await using machine = await bench.run("log", "--network", `socket:${bench.path("nobody")}`);
  expect(machine.said).toMatchObject({ state: "failed", message: expect.stringContaining("nobody") });
}, 60_000);
