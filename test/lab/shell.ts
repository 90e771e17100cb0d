// scripts/lab: a lab that goes on running, to try drivers in while they are written.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type CommandOptions, executable, runCommand, sharedCache } from "../support/ember.ts";
import { guestRequirements, LabGuest } from "./guest.ts";

const folder = process.env["EMBER_LAB"] ?? "";
const stateDir = join(folder, "state");
const environment: Record<string, string> = {
  PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: folder,
  EMBER_STATE_DIR: stateDir,
  EMBER_CACHE_DIR: sharedCache,
};

async function ok(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await runCommand(executable, args, { ...options, env: environment });
  if (status !== 0) throw new Error(`ember ${args.join(" ")}: ${stderr}`);
  return stdout.replace(/\n$/, "");
}

const guest = new LabGuest({ ok, environment });

/** Where a caller's copy of the tree lies: two callers do not change each other's sources. */
function copyOf(name: string): string {
  if (!/^[a-z0-9-]+$/.test(name)) throw new Error(`'${name}' is no name: lower-case letters, digits, '-'`);
  return `/work/${name}`;
}

async function up(): Promise<number> {
  mkdirSync(sharedCache, { recursive: true });
  try {
    await guest.boot();
  } catch (error) {
    await down();
    throw error;
  }
  console.log("the lab runs; scripts/lab down ends it");
  return 0;
}

async function down(): Promise<number> {
  if (existsSync(stateDir)) {
    await runCommand(executable, ["vm", "delete", "--force", "lab"], { env: environment });
    await ok(["deinit", "--purge", "--quiet"]);
  }
  rmSync(folder, { recursive: true, force: true });
  return 0;
}

/** With the caller's terminal and signals. */
function execute(workdir: string, command: readonly string[]): number {
  const variables = ["--env", "HOME=/root", "--env", `EMBER_REQUIRE=${guestRequirements}`];
  const args = ["exec", "lab", "--workdir", workdir, ...variables, "--", ...command];
  return spawnSync(executable, args, { env: environment, stdio: "inherit" }).status ?? 130;
}

async function main([action, ...rest]: readonly string[]): Promise<number> {
  const [flag, name] = rest;
  const as = flag === "--as" ? copyOf(name ?? "") : copyOf("default");
  const words = flag === "--as" ? rest.slice(2) : rest;
  const command = words[0] === "--" ? words.slice(1) : words;
  if (action === "up") return await up();
  if (action === "down") return await down();
  if ((action !== "run" && action !== "exec") || command.length === 0) {
    throw new Error("scripts/lab up | run [--as NAME] -- COMMAND... | exec -- COMMAND... | down");
  }
  if (action === "exec") return execute("/", command);
  await guest.sync(as);
  return execute(as, command);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
