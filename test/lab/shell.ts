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

interface Request {
  readonly name: string;
  readonly executable: boolean;
  readonly command: readonly string[];
}

function parse(words: readonly string[], request: Request): Request {
  const [word, ...rest] = words;
  if (word === "--as") return parse(rest.slice(1), { ...request, name: rest[0] ?? "" });
  if (word === "--executable") return parse(rest, { ...request, executable: true });
  if (word !== "--" || rest.length === 0) throw new Error("say -- and a command; scripts/lab tells more");
  return { ...request, command: rest };
}

async function runCopy({ name, executable: withExecutable, command }: Request): Promise<number> {
  const workdir = copyOf(name);
  const current = await guest.sync(workdir, { executable: withExecutable });
  if (!current) console.error("note: dist/ember is not in the lab as it is here; run --executable copies it");
  return execute(workdir, command);
}

async function main([action, ...words]: readonly string[]): Promise<number> {
  if (action === "up") return await up();
  if (action === "down") return await down();
  const request = parse(words, { name: "default", executable: false, command: [] });
  return action === "exec" ? execute("/", request.command) : await runCopy(request);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
