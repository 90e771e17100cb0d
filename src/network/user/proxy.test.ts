import { expect, test } from "bun:test";
import { proxyOf } from "./proxy.ts";

function read(environment: Record<string, string>): { proxy: ReturnType<typeof proxyOf>; notices: string[] } {
  const notices: string[] = [];
  return { proxy: proxyOf({ environment, notice: (line) => notices.push(line) }), notices };
}

test("proxies are read as curl reads them: lower case first, http where nothing is said", () => {
  const environment = { HTTPS_PROXY: "http://upper:3128", https_proxy: "lower:3128", NO_PROXY: ".corp" };
  expect(read(environment)).toEqual({
    proxy: { https: "http://lower:3128", http: "", none: ".corp" },
    notices: [],
  });
});

test.each(["socks5://user:secret@proxy:1080", "http://:80", "http://[bad", "ftp://proxy"])(
  "a proxy of another kind is done without, and told of without its address: %s",
  (address) => {
    const { proxy, notices } = read({ HTTPS_PROXY: address, HTTP_PROXY: "http://proxy:3128" });
    expect(proxy).toEqual({ https: "", http: "http://proxy:3128", none: "" });
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain("HTTPS_PROXY");
    expect(notices[0]).not.toContain(address);
  },
);
