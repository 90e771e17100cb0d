import { expect, test } from "bun:test";
import { type ApiDescription, describeApi } from "./api-description.ts";
import { bodies } from "./bodies.ts";
import type { StructType } from "./body-types.ts";
import { record } from "./qmp.ts";

const api = describeApi();

test("an exchange as described has no faults", () => {
  const drive = { drive_id: "root", is_root_device: true, path_on_host: "/disk", is_read_only: null };
  expect(api.checkExchange("PUT", "/drives/root", drive, 204, undefined)).toEqual([]);
  expect(api.checkExchange("GET", "/version", undefined, 200, { firecracker_version: "1.15.1" })).toEqual([]);
  expect(api.checkExchange("PUT", "/actions", { nonsense: 1 }, 400, { fault_message: "no" })).toEqual([]);
});

test("each way to be wrong is told by its place", () => {
  const check: ApiDescription["checkExchange"] = (...exchange) => api.checkExchange(...exchange);
  expect(check("PUT", "/nothing", {}, 204, undefined)).toEqual(["/nothing is no path of the API"]);
  expect(check("PATCH", "/vsock", {}, 204, undefined)).toEqual(["/vsock has no PATCH"]);
  expect(check("PUT", "/vsock", undefined, 204, undefined)).toEqual(["the request must have a body"]);
  expect(check("PUT", "/vsock", { guest_cid: 3 }, 204, undefined)).toEqual(["request.uds_path is missing"]);
  expect(check("PUT", "/vsock", { guest_cid: 2, uds_path: 1, x: 1 }, 204, undefined)).toEqual([
    "request.guest_cid is below 3",
    "request.uds_path is not a text",
    "request.x is not in the description",
  ]);
  const drive = { drive_id: "other", is_root_device: false };
  expect(check("PUT", "/drives/root", drive, 204, undefined)).toEqual(["request.drive_id is not the path's"]);
  const action = { action_type: "InstanceStop" };
  expect(check("PUT", "/actions", action, 204, "x")).toEqual([
    "request.action_type is none of FlushMetrics, InstanceStart, SendCtrlAltDel",
    "the answer must not have a body",
  ]);
  expect(check("PUT", "/actions", {}, 400, { error: "no" })).toEqual([
    "answer.error is not in the description",
  ]);
});

/** The type that the double reads a body into, and what the description calls it. */
const pairs: readonly (readonly [keyof typeof bodies, string])[] = [
  ["actions", "InstanceActionInfo"],
  ["balloon", "Balloon"],
  ["balloonUpdate", "BalloonUpdate"],
  ["balloonStatistics", "BalloonStatsUpdate"],
  ["bootSource", "BootSource"],
  ["drive", "Drive"],
  ["driveUpdate", "PartialDrive"],
  ["entropy", "EntropyDevice"],
  ["logger", "Logger"],
  ["machineConfig", "MachineConfiguration"],
  ["metrics", "Metrics"],
  ["network", "NetworkInterface"],
  ["networkUpdate", "PartialNetworkInterface"],
  ["serial", "SerialDevice"],
  ["snapshotCreate", "SnapshotCreateParams"],
  ["snapshotLoad", "SnapshotLoadParams"],
  ["vm", "Vm"],
  ["vsock", "Vsock"],
];

test.each(pairs)("the double takes nothing for %s that %s does not describe", (body, name) => {
  const type: StructType = bodies[body];
  const definition = api.definition(name);
  const described = Object.keys(record(definition["properties"]));
  expect(described.length).toBeGreaterThan(0);
  expect(Object.keys(type.fields).filter((field) => !described.includes(field))).toEqual([]);
  const required = Array.isArray(definition["required"]) ? definition["required"] : [];
  const needed = Object.entries(type.fields).filter(
    ([, field]) => !field.optional && !("otherwise" in field),
  );
  expect(needed.map(([field]) => field).sort()).toEqual([...required].sort());
});
