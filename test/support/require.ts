/**
 * Whether a test must be skipped because the machine lacks something. Says why on the way; throws instead when
 * EMBER_REQUIRE (a comma list) names `name`, so that a machine that can do everything never skips silently.
 */
export function skipUnless(name: string, present: boolean, reason: string): boolean {
  if (present) return false;
  const required = (process.env["EMBER_REQUIRE"] ?? "").split(",");
  if (required.includes(name)) throw new Error(`EMBER_REQUIRE names '${name}', but ${reason}`);
  process.stderr.write(`skipped: ${reason}\n`);
  return true;
}
