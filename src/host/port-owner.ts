import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { run } from "./run.ts";
import { lookUpTool } from "./tools.ts";

/** Who has a port of this host, as far as this user can see. */
export type PortOwner =
  | {
      readonly kind: "process";
      readonly pid: number;
      /** Name of the program, without its folder. */
      readonly program: string;
      /** As it was started; empty where that cannot be seen. */
      readonly arguments: readonly string[];
    }
  /** Another user's process, which only that user and root can see. */
  | { readonly kind: "user"; readonly userId: number };

interface Port {
  readonly protocol: "tcp" | "udp";
  readonly hostAddress: string;
  readonly hostPort: number;
}

/** Undefined when nobody has the port, or it cannot be known. Never throws. */
export async function portOwner(port: Port): Promise<PortOwner | undefined> {
  if (existsSync("/proc/net/tcp")) return ownerInProc(port, "/proc");
  return await ownerByLsof(port);
}

interface Socket {
  readonly inode: string;
  readonly userId: number;
}

/** By the kernel's lists of sockets (proc(5)). `proc` is where they are, "/proc". */
export function ownerInProc(port: Port, proc: string): PortOwner | undefined {
  const sockets = ["", "6"].flatMap((family) => socketsIn(`${proc}/net/${port.protocol}${family}`, port));
  for (const { inode } of sockets) {
    const pid = processWith(proc, inode);
    if (pid === undefined) continue;
    const words = readText(`${proc}/${pid}/cmdline`).split("\0").slice(0, -1);
    const program = words[0] === undefined ? readText(`${proc}/${pid}/comm`).trim() : basename(words[0]);
    return { kind: "process", pid, program, arguments: words.slice(1) };
  }
  const [first] = sockets;
  return first === undefined ? undefined : { kind: "user", userId: first.userId };
}

const listening = { tcp: "0A", udp: "07" } as const;

/** Sockets that keep others from the port: at its address or at all addresses. */
function socketsIn(file: string, { protocol, hostAddress, hostPort }: Port): readonly Socket[] {
  return readText(file)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", , state]) => {
      const [address = "", number = ""] = local.split(":");
      const same = /^0+$/.test(address) || hostAddress === "0.0.0.0" || addressOf(address) === hostAddress;
      return state === listening[protocol] && Number.parseInt(number, 16) === hostPort && same;
    })
    .map((fields) => ({ inode: fields[9] ?? "", userId: Number(fields[7]) }));
}

/** The kernel writes each 32 bits as the host's processor has them, lowest byte first; IPv4 in IPv6's form is IPv4. */
function addressOf(hex: string): string {
  const last = hex.slice(-8);
  const isMapped = hex.length === 8 || /^0{16}FFFF0000/i.test(hex);
  return isMapped ? [6, 4, 2, 0].map((at) => Number.parseInt(last.slice(at, at + 2), 16)).join(".") : hex;
}

function processWith(proc: string, inode: string): number | undefined {
  const link = `socket:[${inode}]`;
  const pid = readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .find((name) => descriptorsOf(`${proc}/${name}/fd`).includes(link));
  return pid === undefined ? undefined : Number(pid);
}

function descriptorsOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => linkOf(`${folder}/${name}`));
  } catch {
    return []; // another user's, or gone meanwhile
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // this kernel has no such list, or the process is gone
  }
}

/** lsof(8): "p" and "c" lines for pid and program. */
async function ownerByLsof({ protocol, hostPort }: Port): Promise<PortOwner | undefined> {
  if (lookUpTool("lsof") === undefined) return undefined;
  const which = protocol === "tcp" ? [`-iTCP:${hostPort}`, "-sTCP:LISTEN"] : [`-iUDP:${hostPort}`];
  const found = await run("lsof", ["-nP", ...which, "-Fpc"], { okStatuses: [0, 1], timeoutMs: 5000 }).catch(
    () => undefined,
  );
  const pid = /^p(\d+)$/m.exec(found?.stdout ?? "")?.[1];
  const program = /^c(.*)$/m.exec(found?.stdout ?? "")?.[1] ?? "";
  return pid === undefined ? undefined : { kind: "process", pid: Number(pid), program, arguments: [] };
}

/** For people: "'nginx' (pid 42)", "a VM of the ember installation 0123abcd". */
export function describeOwner(owner: PortOwner): string {
  if (owner.kind === "user") return `a process of user ${owner.userId}`;
  const at = owner.arguments.indexOf("--installation");
  const installation = at === -1 ? undefined : owner.arguments[at + 1];
  if (owner.program.startsWith("ember-net") && installation !== undefined) {
    return `a VM of the ember installation ${installation} (pid ${owner.pid})`;
  }
  return `'${owner.program}' (pid ${owner.pid})`;
}
