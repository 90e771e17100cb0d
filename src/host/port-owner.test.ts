import { afterEach, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeOwner, ownerInProc, portOwner } from "./port-owner.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

test("the process that listens is named, at its address and at all of them", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, () => resolve()));
  const bound = server.address();
  const hostPort = typeof bound === "object" && bound !== null ? bound.port : 0;
  try {
    for (const hostAddress of ["127.0.0.1", "0.0.0.0"]) {
      const owner = await portOwner({ protocol: "tcp", hostAddress, hostPort });
      expect(owner).toMatchObject({ kind: "process", pid: process.pid });
    }
    expect(await portOwner({ protocol: "udp", hostAddress: "127.0.0.1", hostPort })).toBeUndefined();
    expect(await portOwner({ protocol: "tcp", hostAddress: "127.0.0.2", hostPort })).toBeUndefined();
  } finally {
    server.close();
  }
});

test("so is the one that has a UDP port", async () => {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind({ address: "127.0.0.1", port: 0 }, () => resolve()));
  try {
    const port = { protocol: "udp", hostAddress: "127.0.0.1", hostPort: socket.address().port } as const;
    expect(await portOwner(port)).toMatchObject({ kind: "process", pid: process.pid });
  } finally {
    socket.close();
  }
});

/** A /proc with one listening socket, which `pid` has. */
function fakeProc(
  line: string,
  file = "tcp",
  pid?: { readonly number: number; readonly words: readonly string[] },
): string {
  const proc = mkdtempSync(join(tmpdir(), "ember-proc-"));
  folders.push(proc);
  mkdirSync(join(proc, "net"));
  writeFileSync(join(proc, "net", file), `  sl  local_address rem_address   st\n${line}\n`);
  if (pid !== undefined) {
    mkdirSync(join(proc, `${pid.number}`, "fd"), { recursive: true });
    symlinkSync("socket:[777]", join(proc, `${pid.number}`, "fd", "5"));
    writeFileSync(join(proc, `${pid.number}`, "cmdline"), pid.words.map((word) => `${word}\0`).join(""));
  }
  return proc;
}

const port = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080 } as const;
const rest = "00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 777 1";

test("of another user's process the user is known", () => {
  const proc = fakeProc(`   0: 0100007F:1F90 ${rest}`);
  const owner = ownerInProc(port, proc);
  expect(owner).toEqual({ kind: "user", userId: 33 });
  expect(owner === undefined ? "" : describeOwner(owner)).toBe("a process of user 33");
});

test("a socket at all IPv6 addresses, or at IPv4's in its form, counts", () => {
  const all = "00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000";
  const mapped = "0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000";
  for (const line of [all, mapped]) {
    const proc = fakeProc(`   0: ${line} ${rest.slice(14)}`, "tcp6", {
      number: 42,
      words: ["/usr/sbin/nginx", "-g"],
    });
    const owner = ownerInProc(port, proc);
    expect(owner === undefined ? "" : describeOwner(owner)).toBe("'nginx' (pid 42)");
  }
});

test("another installation's network program is told as that", () => {
  const words = ["/x/ember-net-0.1", "serve", "--socket", "net.sock", "--installation", "0123abcd"];
  const proc = fakeProc(`   0: 00000000:1F90 ${rest}`, "tcp", { number: 42, words });
  const owner = ownerInProc(port, proc);
  expect(owner === undefined ? "" : describeOwner(owner)).toBe(
    "a VM of the ember installation 0123abcd (pid 42)",
  );
});

test("a connection is nobody's port", () => {
  const proc = fakeProc(`   0: 0100007F:1F90 ${rest.replace(" 0A ", " 01 ")}`);
  expect(ownerInProc(port, proc)).toBeUndefined();
});
