import { expect, test } from "bun:test";
import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeBzImage } from "../../../src/kernel/testing/fake-kernel.ts";
import { skipUnless } from "../require.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { describeApi, firecrackerDouble } from "./double.ts";
import { fresh, malformed, type Request, running, settings } from "./exchanges.ts";
import { type Exchange, FirecrackerSession } from "./session.ts";

const double = firecrackerDouble();
const real = [process.env["FC_REAL"], Bun.which("firecracker")].find(
  (path) => typeof path === "string" && existsSync(path),
);
const noDouble = skipUnless("firecracker-double", double.available, double.reason ?? "");
const noReal = skipUnless("firecracker", typeof real === "string", "there is no real firecracker (FC_REAL)");
const skip = noDouble || noReal;

/** Firecracker keeps the drives of a running VM in no certain order. */
function sortDrives(body: string): string {
  if (!body.includes('"drives":')) return body;
  const config = JSON.parse(body);
  config.drives.sort((a: { drive_id: string }, b: { drive_id: string }) =>
    a.drive_id < b.drive_id ? -1 : 1,
  );
  return JSON.stringify(config);
}

function writeKernels(folder: string): void {
  const kernel = tinyKernel("here");
  const changed = (at: number, byte: number): Buffer =>
    Buffer.from(kernel.map((old, index) => (index === at ? byte : old)));
  writeFileSync(join(folder, "kernel"), kernel);
  writeFileSync(join(folder, "bzimage"), makeBzImage());
  writeFileSync(join(folder, "short"), kernel.subarray(0, 30));
  writeFileSync(join(folder, "cut"), kernel.subarray(0, 200));
  writeFileSync(join(folder, "big-endian"), changed(5, 2));
  writeFileSync(join(folder, "user-program"), changed(26, 0)); // entered below 1 MiB
}

/** What a program answers to each request in turn, its folder's name replaced. */
async function answersOf(program: string, requests: readonly Request[]): Promise<Record<string, Exchange>> {
  await using session = await FirecrackerSession.start(program, ["--id", "parity"]);
  for (const name of ["disk", "disk2"]) {
    writeFileSync(join(session.folder, name), "");
    truncateSync(join(session.folder, name), 1024 ** 2);
  }
  writeFileSync(join(session.folder, "text"), "no kernel\n".repeat(100));
  writeKernels(session.folder);
  const answers: Record<string, Exchange> = {};
  for (const [index, [method, path, body]] of requests.entries()) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await session.send(method, path, text?.replaceAll("{folder}", session.folder));
    answers[`${index}: ${method} ${path} ${text ?? ""}`] = {
      ...answer,
      body: sortDrives(answer.body.replaceAll(session.folder, "{folder}")),
    };
  }
  return answers;
}

for (const [what, requests] of [
  ["before anything is set", fresh],
  ["to malformed bodies", malformed],
  ["to settings", settings],
  ["while a guest runs", [...settings, ...running]],
] as const) {
  test.skipIf(skip)(
    `the double answers as the real one: ${what}`,
    async () => {
      const [wanted, found] = await Promise.all([
        answersOf(String(real), requests),
        answersOf(double.firecracker, requests),
      ]);
      expect(found).toEqual(wanted);
    },
    60_000,
  );
}

test.skipIf(noDouble)(
  "every request that is done, and its answer, is as the API describes it",
  async () => {
    const api = describeApi();
    const requests = [...fresh, ...settings, ...running];
    const answers = Object.values(await answersOf(double.firecracker, requests));
    const good = requests.flatMap(([method, path, body], index) => {
      const answer = answers[index];
      if (answer === undefined || answer.status >= 400) return [];
      return [{ method, path: path.replace(/(.)\/$/, "$1"), body, answer }];
    });
    expect(good.length).toBeGreaterThan(25);
    const faults = good.flatMap(({ method, path, body, answer: { status, body: text } }) =>
      api.checkExchange(method, path, parsed(body), status, text === "" ? undefined : JSON.parse(text)),
    );
    expect(faults).toEqual([]);
  },
  60_000,
);

const parsed = (body: unknown): unknown => (typeof body === "string" ? JSON.parse(body) : body);
