// Writes docs/cli.md and docs/errors.md from the command data and the catalogue of errors. `--check` only compares.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderReference } from "../src/cli/help/reference.ts";
import { catalogue } from "../src/errors/catalogue.ts";

const docs = join(import.meta.dir, "..", "docs");

function errorsPage(): string {
  const rows = Object.entries(catalogue).map(
    ([code, { exit, title }]) => `| \`${code}\` | ${exit} | ${title} |`,
  );
  return `# Errors

Every error has a code that never changes its meaning, and an exit status: 1 failed, 2 wrong usage, 3 no such thing,
4 refused by the present state, 5 the host lacks something. With \`--format json\` an error is
\`{"error":{"code","message","hint"}}\` on standard error.

| code | status | what happened |
|---|---|---|
${rows.join("\n")}
`;
}

const pages: Readonly<Record<string, string>> = {
  "cli.md": await renderReference(),
  "errors.md": errorsPage(),
};
let stale = false;
for (const [name, content] of Object.entries(pages)) {
  const path = join(docs, name);
  if (existsSync(path) && readFileSync(path, "utf8") === content) continue;
  if (process.argv.includes("--check")) {
    console.log(`docs/${name} is out of date: run 'make docs'`);
    stale = true;
  } else writeFileSync(path, content);
}
if (stale) process.exit(1);
