import { Refusal } from "./answers.ts";
import { type BodyName, bodies } from "./bodies.ts";
import { type Body, readBody } from "./body-types.ts";
import type { ApiRequest } from "./http-server.ts";

/** What a well-formed request asks for. */
export interface Call {
  readonly action: Action;
  readonly body: Body;
  readonly deprecated: boolean;
}

export type Action =
  | BodyName
  | "describe"
  | "version"
  | "vmConfig"
  | "getMachineConfig"
  | "getBalloon"
  | "getBalloonStatistics";

/** What a request asks for. Throws a `Refusal` or a `BodyError` with Firecracker's words. */
export function parseRequest({ method, path, body }: ApiRequest): Call {
  const [first = "", second, third] = path.replace(/^\/+/, "").replace(/\/$/, "").split("/");
  if (method === "GET") {
    if (body !== undefined) throw new Refusal("GET request cannot have a body.");
    return parseGet(first, second);
  }
  if (method === "PUT") {
    if (body === undefined) throw new Refusal("Empty PUT request.");
    return parsePut(first, second, body);
  }
  if (body === undefined) throw new Refusal("Empty PATCH request.");
  return parsePatch(first, second, third, body);
}

const call = (action: Action, body: Body = {}, deprecated = false): Call => ({ action, body, deprecated });

const read = (action: BodyName, bytes: Buffer): Call => call(action, readBody(bytes, bodies[action]));

function unknownPath(method: string, path: string): Refusal {
  return new Refusal(`Invalid request method and/or path: ${method} ${path}.`);
}

function parseGet(first: string, second: string | undefined): Call {
  switch (first) {
    case "":
      return call("describe");
    case "version":
      return call("version");
    case "machine-config":
      return call("getMachineConfig");
    case "vm":
      if (second === "config") return call("vmConfig");
      throw unknownPath("GET", first);
    case "balloon":
      if (second === undefined) return call("getBalloon");
      if (second === "statistics") return call("getBalloonStatistics");
      throw new Refusal(`Unrecognized GET request path \`${second}\`.`);
    default:
      throw unknownPath("GET", first);
  }
}

/** What the API has besides. */
const notInDouble: ReadonlySet<string> = new Set(["cpu-config", "hotplug", "mmds", "pmem"]);

const plainPuts: Readonly<Record<string, BodyName>> = {
  actions: "actions",
  balloon: "balloon",
  "boot-source": "bootSource",
  entropy: "entropy",
  logger: "logger",
  metrics: "metrics",
  serial: "serial",
};

function parsePut(first: string, second: string | undefined, bytes: Buffer): Call {
  const plain = plainPuts[first];
  if (plain !== undefined) return read(plain, bytes);
  switch (first) {
    case "drives":
      return withId("drive", "drive_id", second, bytes);
    case "network-interfaces":
      return withId("network", "iface_id", second, bytes);
    case "machine-config": {
      const { body } = read("machineConfig", bytes);
      return call("machineConfig", body, body["cpu_template"] !== null);
    }
    case "vsock": {
      const { body } = read("vsock", bytes);
      return call("vsock", body, body["vsock_id"] !== null);
    }
    case "snapshot":
      return parseSnapshot(second, bytes);
    default:
      throw notInDouble.has(first) ? new Refusal(`the double has no /${first}`) : unknownPath("PUT", first);
  }
}

function parsePatch(
  first: string,
  second: string | undefined,
  third: string | undefined,
  bytes: Buffer,
): Call {
  switch (first) {
    case "balloon":
      if (second === "hinting") throw unknownPath("PATCH", `${first}/${second}/${third ?? ""}`); // not in the double
      return read(second === "statistics" ? "balloonStatistics" : "balloonUpdate", bytes);
    case "drives":
      return withId("driveUpdate", "drive_id", second, bytes);
    case "network-interfaces":
      return withId("networkUpdate", "iface_id", second, bytes);
    case "machine-config": {
      const { body } = read("machineConfigUpdate", bytes);
      if (Object.values(body).every((value) => value === null)) throw new Refusal("Empty PATCH request.");
      return call("machineConfigUpdate", body, body["cpu_template"] !== null);
    }
    case "vm":
      return read("vm", bytes);
    default:
      throw notInDouble.has(first) ? new Refusal(`the double has no /${first}`) : unknownPath("PATCH", first);
  }
}

function withId(action: BodyName, key: string, id: string | undefined, bytes: Buffer): Call {
  if (id === undefined || id === "") throw new Refusal("The ID cannot be empty.");
  if (!/^[\p{L}\p{N}_]+$/u.test(id)) {
    throw new Refusal("API Resource IDs can only contain alphanumeric characters and underscores.");
  }
  const { body } = read(action, bytes);
  if (body[key] === id) return call(action, body);
  throw new Refusal(
    key === "drive_id"
      ? "The id from the path does not match the id from the body!"
      : `The id from the path [${id}] does not match the id from the body [${body[key]}]!`,
  );
}

const inBody = "An error occurred when deserializing the json body of a request";

function parseSnapshot(kind: string | undefined, bytes: Buffer): Call {
  if (kind === undefined) throw new Refusal("Missing snapshot operation type.");
  if (kind === "create") return read("snapshotCreate", bytes);
  if (kind !== "load") throw unknownPath("PUT", `/snapshot/${kind}`);
  const { body } = read("snapshotLoad", bytes);
  const backend = body["mem_backend"] !== null;
  const file = body["mem_file_path"] !== null;
  if (backend && file) {
    throw new Refusal(
      `${inBody}: too many fields: either \`mem_backend\` or \`mem_file_path\` exclusively is required.`,
    );
  }
  if (!backend && !file) {
    throw new Refusal(`${inBody}: missing field: either \`mem_backend\` or \`mem_file_path\` is required.`);
  }
  return call("snapshotLoad", body, file || body["enable_diff_snapshots"] === true);
}
