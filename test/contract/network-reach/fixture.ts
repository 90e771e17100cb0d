import { afterAll } from "bun:test";
import { skipUnless } from "../../support/require.ts";
import { netnsObstacle } from "./netns.ts";
import { buildWire, type Wire } from "./wire.ts";

/** What every test file here needs: whether to skip, and the program that stands in for guests, built when first used. */
export function reachFixture(): { readonly skip: boolean; readonly wire: () => Wire } {
  const obstacle = netnsObstacle();
  const skip = skipUnless("tap", obstacle === undefined, obstacle ?? "");
  let built: Wire | undefined;
  afterAll(() => built?.remove());
  return {
    skip,
    wire: () => {
      built ??= buildWire();
      return built;
    },
  };
}
