import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../require.ts";
import { firecrackerDouble, orderFaults } from "./double.ts";
import { FirecrackerSession } from "./session.ts";

const double = firecrackerDouble();
const skip = skipUnless("firecracker-double", double.available, double.reason ?? "");

const start = (fault: string): Promise<FirecrackerSession> =>
  FirecrackerSession.start(double.firecracker, [], { FC_DOUBLE_FAULT: fault });

test.skipIf(skip)("a request kills the double when that is ordered, and others do not", async () => {
  await using session = await start("PUT /boot-source: die; PUT /drives/: close");
  expect((await session.send("GET", "/")).status).toBe(200);
  await expect(session.send("PUT", "/drives/a", {})).rejects.toThrow("hang up");
  expect((await session.send("GET", "/")).status).toBe(200);
  await expect(session.send("PUT", "/boot-source", {})).rejects.toThrow();
  expect(await session.ended).toBe(137);
});

test.skipIf(skip)("an answer is refused, malformed or never given, as ordered", async () => {
  await using session = await start("GET /: 503; GET /version: malformed; GET /vm/config: hang");
  expect(await session.send("GET", "/")).toEqual({
    status: 503,
    body: '{"fault_message":"the test has ordered this"}',
  });
  await expect(session.send("GET", "/version")).rejects.toThrow();
  await expect(session.send("GET", "/vm/config", undefined, 300)).rejects.toThrow("no answer in time");
  expect((await session.send("GET", "/machine-config")).status).toBe(200);
});

test.skipIf(skip)("what is answered late is done at once", async () => {
  await using session = await start("PUT /machine-config: late:400");
  const config = { vcpu_count: 4, mem_size_mib: 64 };
  const impatient = session.send("PUT", "/machine-config", config, 100);
  await expect(impatient).rejects.toThrow("no answer in time");
  expect(await session.ask("GET", "/machine-config")).toMatchObject(config);
});

test.skipIf(skip)("faults are changed while the double runs, through the file beside it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fc-faults-"));
  try {
    const own = firecrackerDouble(folder, { version: "1.16.1" });
    await using session = await FirecrackerSession.start(own.firecracker);
    expect(await session.ask("GET", "/version")).toEqual({ firecracker_version: "1.16.1" });
    orderFaults(folder, { fault: "GET /version: 400" });
    expect((await session.send("GET", "/version")).status).toBe(400);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
