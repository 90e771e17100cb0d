import { EmberError } from "../errors/ember-error.ts";

/** Input as an error may show it: one line of bounded length. */
export function shownRule(input: string): string {
  const clean = input.replace(/\p{Cc}/gu, "?");
  return clean.length > 80 ? `${clean.slice(0, 77)}...` : clean;
}

export function wrongRule(what: string, input: string, why: string, hint: string): EmberError {
  return new EmberError("usage", `${what} '${shownRule(input)}' ${why}`, { hint });
}

/** A rule that parses two ways: the user says which. Each reading is what it means, and how that is written. */
export function twoReadings(
  what: string,
  input: string,
  readings: readonly (readonly [meaning: string, written: string])[],
): EmberError {
  const meanings = readings.map(([meaning]) => meaning).join(", or ");
  const ways = readings.map(([meaning, written]) => `${written} for ${meaning}`).join("; ");
  return new EmberError("usage", `${what} '${shownRule(input)}' can be read as ${meanings}`, {
    hint: `write ${ways}`,
  });
}

const services: Readonly<Record<string, number>> = {
  ...{ http: 80, https: 443, ssh: 22, dns: 53, domain: 53, postgres: 5432, postgresql: 5432, mysql: 3306 },
  ...{ redis: 6379, smtp: 25, ftp: 21, git: 9418, ntp: 123 },
};

/** 1 to 65535. `written` is the rule with another port, for the hint. Throws `usage`. */
export function parsePort(
  port: string,
  what: string,
  input: string,
  written: (port: string) => string,
): number {
  if (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535) return Number(port);
  const service = services[port.toLowerCase()];
  if (service !== undefined) {
    throw wrongRule(
      what,
      input,
      "names a service where a port must be",
      `write ${what} ${written(`${service}`)}`,
    );
  }
  const range = /^(\d{1,5})-(\d{1,5})$/.exec(port);
  if (range !== null) {
    throw wrongRule(
      what,
      input,
      "names a range of ports",
      `give ${what} once for each port, or without a port for all`,
    );
  }
  const hint =
    port === "" || port === "0" ? "leave the port out for all of them" : "a port is a number from 1 to 65535";
  throw wrongRule(what, input, port === "" ? "ends where a port must be" : "has a port that is none", hint);
}
