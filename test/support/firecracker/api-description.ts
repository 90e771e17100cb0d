import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { record } from "./qmp.ts";

type Schema = Readonly<Record<string, unknown>>;

export interface ApiDescription {
  /**
   * What is wrong with an exchange by Firecracker's own description of its API, in both directions; empty when nothing
   * is. `body` and `answer` are parsed JSON, undefined for none. A request that was answered with an error is not
   * checked itself: it may have been meant to be wrong.
   */
  checkExchange(method: string, path: string, body: unknown, status: number, answer: unknown): string[];
  /** The named definition, for those who compare. */
  definition(name: string): Schema;
}

/** Reads api.yaml. */
export function describeApi(): ApiDescription {
  const document = record(parse(readFileSync(join(import.meta.dir, "api.yaml"), "utf8")));
  const definitions = record(document["definitions"]);
  const paths = Object.entries(record(document["paths"]));
  const resolve = (schema: unknown): Schema => {
    const found = record(schema);
    const reference = found["$ref"];
    return typeof reference === "string"
      ? resolve(definitions[reference.replace("#/definitions/", "")])
      : found;
  };
  const check = (value: unknown, schema: unknown, where: string): string[] =>
    checkValue(value, resolve(schema), where, check);

  return {
    definition: (name) => record(definitions[name]),
    checkExchange(method, path, body, status, answer) {
      const found = paths.find(([template]) => patternOf(template).test(path));
      if (found === undefined) return [`${path} is no path of the API`];
      const operation = record(record(found[1])[method.toLowerCase()]);
      if (Object.keys(operation).length === 0) return [`${path} has no ${method}`];
      const response =
        record(operation["responses"])[`${status}`] ?? record(operation["responses"])["default"];
      return [
        ...(status < 400 ? checkRequest(operation, found[0], path, body, check) : []),
        ...checkAnswer(resolve(response), answer, check),
      ];
    },
  };
}

type Check = (value: unknown, schema: unknown, where: string) => string[];

const patternOf = (template: string): RegExp => new RegExp(`^${template.replace(/\{[^}]+\}/g, "[^/]+")}$`);

function checkRequest(
  operation: Schema,
  template: string,
  path: string,
  body: unknown,
  check: Check,
): string[] {
  const parameters = listOf(operation["parameters"]).map(record);
  // The description has no type of its own for a part of the machine's configuration.
  const isPartial = operation["operationId"] === "patchMachineConfiguration";
  const wanted = parameters.find((parameter) => parameter["in"] === "body");
  if (wanted === undefined) return body === undefined ? [] : ["the request must not have a body"];
  if (body === undefined) return wanted["required"] === true ? ["the request must have a body"] : [];
  const id = template.includes("{") ? path.split("/").at(-1) : undefined;
  const named = /\{([^}]+)\}/.exec(template)?.[1];
  const other = named === undefined ? undefined : record(body)[named];
  const mismatch = id !== undefined && other !== undefined && other !== id;
  return [
    ...(mismatch ? [`request.${named} is not the path's`] : []),
    ...check(body, wanted["schema"], "request").filter((fault) => !(isPartial && / is missing$/.test(fault))),
  ];
}

function checkAnswer(response: Schema, answer: unknown, check: Check): string[] {
  const schema = response["schema"];
  if (schema === undefined) return answer === undefined ? [] : ["the answer must not have a body"];
  return answer === undefined ? ["the answer must have a body"] : check(answer, schema, "answer");
}

function checkValue(value: unknown, schema: Schema, where: string, check: Check): string[] {
  const values = schema["enum"];
  if (Array.isArray(values) && !values.includes(value)) return [`${where} is none of ${values.join(", ")}`];
  switch (schema["type"] ?? (schema["properties"] === undefined ? undefined : "object")) {
    case "object":
      return checkObject(value, schema, where, check);
    case "array":
      if (!Array.isArray(value)) return [`${where} is not a list`];
      return value.flatMap((item, index) => check(item, schema["items"], `${where}[${index}]`));
    case "string":
      return typeof value === "string" ? [] : [`${where} is not a text`];
    case "boolean":
      return typeof value === "boolean" ? [] : [`${where} is not true or false`];
    case "integer":
      return checkInteger(value, schema, where);
    default:
      return [];
  }
}

function checkInteger(value: unknown, schema: Schema, where: string): string[] {
  if (typeof value !== "number" || !Number.isInteger(value)) return [`${where} is not an integer`];
  const { minimum, maximum } = schema;
  if (typeof minimum === "number" && value < minimum) return [`${where} is below ${minimum}`];
  if (typeof maximum === "number" && value > maximum) return [`${where} is above ${maximum}`];
  return [];
}

/** Null is as good as missing: Firecracker both takes and gives it. What is not described is refused. */
function checkObject(value: unknown, schema: Schema, where: string, check: Check): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [`${where} is not an object`];
  const properties = record(schema["properties"]);
  const given = Object.entries(value).filter(([, content]) => content !== null);
  const missing = listOf(schema["required"]).filter((name) => !given.some(([found]) => found === name));
  return [
    ...missing.map((name) => `${where}.${name} is missing`),
    ...given.flatMap(([name, content]) => {
      const property = properties[name];
      if (property !== undefined) return check(content, property, `${where}.${name}`);
      return schema["properties"] === undefined ? [] : [`${where}.${name} is not in the description`];
    }),
  ];
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
