import type { NetworkContext } from "../network.ts";
import type { ProxySettings } from "./protocol.ts";

/**
 * The proxies that a command's environment names, as curl and others read it: lower case goes first, and an address without a
 * scheme is of HTTP. One of a kind that ember-net cannot use is told of, without its address, which may hold a password.
 */
export function proxyOf({
  environment,
  notice,
}: Pick<NetworkContext, "environment" | "notice">): ProxySettings {
  const read = (name: string): string => environment[name] || environment[name.toUpperCase()] || "";
  const proxy = (name: string): string => {
    const said = read(name);
    if (said === "") return "";
    const address = said.includes("://") ? said : `http://${said}`;
    if (isUsable(address)) return address;
    notice(
      `the network does without the proxy that ${name.toUpperCase()} names: it is no address that begins with http:// or https://`,
    );
    return "";
  };
  return { https: proxy("https_proxy"), http: proxy("http_proxy"), none: read("no_proxy") };
}

function isUsable(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "";
}
