// The double of Firecracker; see README.md.
import { existsSync } from "node:fs";
import { Refusal, refusal } from "./answers.ts";
import { ArgumentError, type Arguments, parseArguments } from "./command-line.ts";
import { faultFor, setting } from "./faults.ts";
import { type ApiRequest, type Outcome, serveApi } from "./http-server.ts";
import { Jail } from "./jail.ts";
import { BodyError } from "./json-reader.ts";
import { Log } from "./log.ts";
import { MicroVm } from "./microvm.ts";
import { parseRequest } from "./requests.ts";

const value = { kind: "value" } as const;
const flag = { kind: "flag" } as const;
const rules = {
  "api-sock": value,
  id: value,
  "seccomp-filter": { kind: "value", forbids: "no-seccomp" },
  "no-seccomp": { kind: "flag", forbids: "seccomp-filter" },
  "start-time-us": value,
  "start-time-cpu-us": value,
  "parent-cpu-time-us": value,
  "config-file": value,
  metadata: value,
  "no-api": { kind: "flag", requires: "config-file" },
  "log-path": value,
  level: value,
  module: value,
  "show-level": flag,
  "show-log-origin": flag,
  "metrics-path": value,
  "boot-timer": flag,
  "snapshot-version": flag,
  "describe-snapshot": value,
  "http-api-max-payload-size": value,
  "mmds-size-limit": value,
  "enable-pci": flag,
} as const;

const version = setting("version") ?? process.env["FC_DOUBLE_VERSION"] ?? "1.15.1";
const jail = new Jail(process.env["FC_DOUBLE_JAIL"]);
const exitStatus = { generic: 1, badConfiguration: 152, argumentParsing: 153, panic: 134 } as const;

function fail(log: Log, message: string, rust: string, status: number): never {
  log.error("main", message);
  process.stderr.write(`Error: ${rust}\n`);
  log.error("main", `Firecracker exiting with error. exit_code=${status}`);
  process.exit(status);
}

function readArguments(log: Log): Arguments {
  try {
    return parseArguments(process.argv.slice(2), rules);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const help = `${error.message} \\n\\nFor more information try --help.`;
    return fail(
      log,
      `Arguments parsing error: ${help}`,
      `ParseArguments(${error.rust})`,
      exitStatus.argumentParsing,
    );
  }
}

function answerAtOnce(log: Log, text: string): never {
  process.stdout.write(text);
  log.info("main", "Firecracker exiting successfully. exit_code=0");
  process.exit(0);
}

function checkId(log: Log, id: string): void {
  const wrong = [...id].findIndex((letter) => !/[-\p{L}\p{N}]/u.test(letter));
  const fault =
    id.length < 1 || id.length > 64
      ? `InvalidLen(${id.length}, 1, 64)`
      : wrong === -1
        ? undefined
        : `InvalidChar('${[...id][wrong]}', ${wrong})`;
  if (fault === undefined) return;
  log.error(
    "main",
    `Firecracker panicked at src/firecracker/src/main.rs:296:48:\nInvalid instance ID: ${fault}`,
  );
  process.exit(exitStatus.panic);
}

function configureLog(log: Log, args: Arguments): void {
  const level = args.values.get("level")?.[0];
  if (level !== undefined && !/^(off|trace|debug|info|warn|warning|error)$/i.test(level)) {
    const why = `Failed to parse string to level filter: ${level}.Possible values: [Error, Warning, Info, Debug]`;
    const rust = `InvalidLogLevel(LevelFilterFromStrError(${JSON.stringify(level)}))`;
    fail(log, `Invalid value for logger level: ${why}`, rust, exitStatus.badConfiguration);
  }
  const path = args.values.get("log-path")?.[0];
  try {
    log.update(path === undefined ? null : jail.resolve(path), level ?? null, args.flags.has("show-level"));
  } catch (error) {
    fail(log, `Could not initialize logger: Failed to open target file: ${error}`, "LoggerInitialization", 1);
  }
}

/** Answers a request, or does to it what the test has ordered. */
async function answer(microVm: MicroVm, log: Log, request: ApiRequest): Promise<Outcome> {
  const fault = faultFor(request);
  if (fault?.kind === "die") {
    process.kill(process.pid, "SIGKILL");
    process.reallyExit(137); // the first process of a namespace is not killed by itself
  }
  if (fault?.kind === "hang") return "silence";
  if (fault?.kind === "close") return "close";
  if (fault?.kind === "malformed") return { raw: "HTTP/1.1 20\r\nContent-Length: many\r\n\r\n{" };
  if (fault?.kind === "status") return { ...refusal("the test has ordered this"), status: fault.status };
  const outcome = await perform(microVm, log, request);
  if (fault?.kind === "late") await Bun.sleep(fault.ms);
  return outcome;
}

async function perform(microVm: MicroVm, log: Log, request: ApiRequest): Promise<Outcome> {
  const { method, path } = request;
  log.info(
    "fc_api",
    `The API server received a ${method[0]}${method.slice(1).toLowerCase()} request on "${path}".`,
  );
  try {
    const call = parseRequest(request);
    const result = await microVm.perform(call);
    microVm.metrics.count(request, false);
    log.info("fc_api", `The request was executed successfully. Status code: ${result.status}.`);
    return { ...result, deprecated: call.deprecated };
  } catch (error) {
    const known = error instanceof Refusal || error instanceof BodyError;
    const message = known ? error.message : `the double failed: ${error}`;
    microVm.metrics.count(request, true);
    log.error("fc_api", `Received Error. Status code: 400 Bad Request. Message: ${message}`);
    return refusal(message);
  }
}

function main(): void {
  const early = new Log("anonymous-instance");
  const args = readArguments(early);
  if (args.flags.has("version")) answerAtOnce(early, `Firecracker v${version}\n\n`);
  if (args.flags.has("help")) answerAtOnce(early, `Firecracker v${version}\n\nthe double of Firecracker\n`);
  if (args.flags.has("snapshot-version")) answerAtOnce(early, "v9.0.0\n");
  const id = args.values.get("id")?.[0] ?? "anonymous-instance";
  checkId(early, id);
  const log = new Log(id);
  configureLog(log, args);
  log.info("main", `Running Firecracker v${version}`);
  if (args.values.has("config-file") || args.values.has("describe-snapshot")) {
    fail(
      log,
      "the double takes no configuration file and no snapshot",
      "Unsupported",
      exitStatus.badConfiguration,
    );
  }
  const exit = (status: number): void => {
    log.info("main", `Vmm is stopping.\nFirecracker exiting. exit_code=${status}`);
    process.exit(status);
  };
  const microVm = new MicroVm({ id, version, jail, log, exit });
  const socket = args.values.get("api-sock")?.[0] ?? "/run/firecracker.socket";
  const refuse = (): never => {
    const why = `Failed to open the API socket at: ${socket}. Check that it is not already used.`;
    const rust = `RunWithApi(FailedToBindSocket(${JSON.stringify(socket)}))`;
    return fail(log, `RunWithApiError error: ${why}`, rust, exitStatus.generic);
  };
  const path = jail.resolve(socket);
  if (existsSync(path)) refuse();
  const listening = (): void => log.info("main", `Listening on API socket (${JSON.stringify(socket)}).`);
  serveApi(path, (request) => answer(microVm, log, request), listening, refuse);
}

main();
