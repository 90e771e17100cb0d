import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/ember.ts";
import { skipUnless } from "../support/require.ts";

const root = join(import.meta.dir, "..", "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "ember-boot-"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const works = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, [...args]).status === 0;
const noPython = skipUnless(
  "python3",
  works("python3", "-c", "import plistlib"),
  "there is no python3 to read property lists with",
);
const noSystemd = skipUnless(
  "systemd",
  works("systemd-analyze", "--version"),
  "there is no systemd-analyze to check units with",
);

describe.skipIf(noPython)("the launch agent, filled in and loaded as the documentation says", () => {
  let filled: string;
  let loaded: string;

  beforeAll(() => {
    const home = join(work, "home");
    const tools = join(work, "tools");
    for (const folder of [home, tools]) mkdirSync(folder);
    const log = join(work, "launchctl.log");
    writeFileSync(join(tools, "launchctl"), `#!/bin/sh\necho "$@" >> '${log}'\n[ "$1" != bootout ]\n`);
    writeFileSync(join(tools, "ember"), "#!/bin/sh\n");
    for (const name of ["launchctl", "ember"]) chmodSync(join(tools, name), 0o755);
    const commands = /^```sh\n(name=web\n[\s\S]*?)```$/m.exec(read("docs/installing.md"))?.[1] ?? "false";
    const env = { ...process.env, HOME: home, PATH: `${tools}:${process.env["PATH"]}` };
    const result = spawnSync("bash", ["-c", commands], { cwd: root, env, encoding: "utf8" });
    expect(result).toMatchObject({ status: 0, stderr: "" });
    filled = join(home, "Library/LaunchAgents/dev.ember.vm.web.plist");
    loaded = readFileSync(log, "utf8");
  });

  test("starts the VM at login and leaves it running, by absolute paths", () => {
    const program = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    const { stdout, stderr } = spawnSync("python3", ["-c", program, filled], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      Label: "dev.ember.vm.web",
      ProgramArguments: [join(work, "tools/ember"), "vm", "start", "web"],
      RunAtLoad: true,
      AbandonProcessGroup: true,
      ProcessType: "Interactive",
      StandardOutPath: join(work, "home/Library/Logs/ember-web.log"),
      StandardErrorPath: join(work, "home/Library/Logs/ember-web.log"),
    });
  });

  test("takes the place of one that was loaded before", () => {
    const domain = `gui/${process.getuid?.()}`;
    expect(loaded.split("\n").slice(0, 3)).toEqual([
      `bootout ${domain}/dev.ember.vm.web`,
      `enable ${domain}/dev.ember.vm.web`,
      `bootstrap ${domain} ${filled}`,
    ]);
  });
});

describe.each([
  ["system", "packaging/systemd/ember-vm@.service", "multi-user.target"],
  ["user", "packaging/systemd/user/ember-vm@.service", "default.target"],
])("the %s unit", (manager, path, target) => {
  const text = read(path);

  test("starts the VM of its name, stops it in order, and leaves its processes alone", () => {
    for (const line of [
      "Type=oneshot",
      "RemainAfterExit=yes",
      "ExecStart=/usr/bin/ember vm start %i",
      "ExecStop=/usr/bin/ember vm stop %i",
      "KillMode=process",
      `WantedBy=${target}`,
    ])
      expect(text.split("\n")).toContain(line);
  });

  test("waits longer than a guest may take", () => {
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1]);
    // `vm stop` switches a guest off after its own --timeout.
    const { stdout } = spawnSync(executable, ["vm", "stop", "--help"], { encoding: "utf8" });
    expect(seconds).toBeGreaterThan(Number(/default: (\d+)s/.exec(stdout)?.[1] ?? Number.NaN));
  });

  test.skipIf(noSystemd)("is one that systemd understands whole", () => {
    const folder = join(work, manager);
    mkdirSync(folder);
    mkdirSync(join(folder, "run"));
    const unit = join(folder, "ember-vm@web.service");
    const verify = (unitText: string): string => {
      writeFileSync(unit, unitText.replaceAll("/usr/bin/ember", executable));
      const args = [`--${manager}`, "verify", "--man=no", unit];
      const env = { ...process.env, XDG_RUNTIME_DIR: join(folder, "run") };
      const result = spawnSync("systemd-analyze", args, { encoding: "utf8", env });
      return `${result.stderr}${result.stdout}status ${result.status}\n`;
    };
    // It may have something to say about units of this host.
    const about = verify(text)
      .split("\n")
      .filter((line) => line.includes("ember") || line.startsWith("status"));
    expect(about).toEqual(["status 0"]);
    expect(verify(text.replace("KillMode=", "KillMod="))).toContain("KillMod");
  });

  test("is where the documentation names what it is", () => {
    const page = /^Documentation=file:\/\/\/usr\/share\/doc\/ember\/(.*)$/m.exec(text)?.[1] ?? "";
    expect(existsSync(join(root, "docs", page)) && page !== "").toBe(true);
  });
});
