import type { NetworkContext } from "../network.ts";
import type { ProxySettings } from "./protocol.ts";

/** The proxies that a command's environment names, as curl and others read it: lower case goes first. */
export function proxyOf(environment: NetworkContext["environment"]): ProxySettings {
  const read = (name: string): string => environment[name] || environment[name.toUpperCase()] || "";
  return { https: read("https_proxy"), http: read("http_proxy"), none: read("no_proxy") };
}
