import { version } from "../version.ts";
import { withSparingRuntime } from "./sparing-runtime.ts";

// Nothing of weight is imported before it is known to be needed: `ember version` is the measure of the start-up time,
// and touching process.stdout alone would double it (console.log does not).
const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === "version" || argv[0] === "--version")) {
  console.log(`ember ${version}`);
} else {
  const [{ dispatch }, { createContext }] = await Promise.all([
    import("./dispatch.ts"),
    import("./context.ts"),
  ]);
  const context = createContext();
  withSparingRuntime(argv, context.environment);
  const status = await dispatch(argv, context);
  await context.close();
  // A terminal or socket that is still open must not keep a finished command alive.
  process.exit(status);
}
