import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { Operation } from "../state/journal.ts";
import { createImageOperation, deleteImageOperation } from "./operations.ts";
import { sweepImages } from "./sweep.ts";
import { tarOf } from "./tar/testing/tar-builder.ts";
import { Workshop } from "./testing/workshop.ts";

// Each operation is cut short at each of its steps: by a failure, by an interruption, and by SIGKILL.

setDefaultTimeout(60_000); // many processes, on a machine that may be busy

let workshop: Workshop;
let archive: string;
beforeEach(async () => {
  workshop = await Workshop.make();
  archive = join(workshop.home, "root.tar");
  writeFileSync(archive, tarOf({ path: "etc", type: "5" }, { path: "etc/os-release", content: "NAME=test" }));
});
afterEach(() => workshop[Symbol.dispose]());

const phases = ["before", "after"] as const;

function faultsOf(operation: Pick<Operation<never>, "kind" | "steps">) {
  return operation.steps.flatMap(({ name }) => phases.map((phase) => ({ step: name, phase })));
}

const create = createImageOperation();

async function kill(fault: string, ...args: string[]): Promise<void> {
  const program = join(import.meta.dir, "testing", "killed-command.ts");
  const child = Bun.spawn([process.execPath, program, workshop.home, fault, ...args], { stderr: "pipe" });
  await child.exited;
  if (child.signalCode !== "SIGKILL")
    throw new Error(`it was not killed: ${await new Response(child.stderr).text()}`);
}

const state = async (): Promise<unknown> => ({
  images: await workshop.images.list(),
  files: workshop.files(),
  operations: workshop.installation.db.all("SELECT * FROM operations"),
});

describe("an image that is being made", () => {
  for (const { step, phase } of faultsOf(create)) {
    const at = `${phase} '${step}'`;

    test(`leaves nothing when it fails ${at}`, async () => {
      using failing = Workshop.again(workshop.home, {
        onStep: (_kind, name, when) => {
          if (name === step && when === phase) throw new EmberError("disk-full", "no room");
        },
      });
      const before = await state();
      await expect(failing.images.import(archive, { name: "x" })).rejects.toMatchObject({
        code: "disk-full",
      });
      expect(await state()).toEqual(before);
    });

    test(`leaves nothing when it is killed ${at}, and can be made then`, async () => {
      const before = await state();
      await kill(`image.create:${step}:${phase}`, "import", archive, "x");
      expect(await workshop.installation.recoverAbandoned()).toMatchObject([{ outcome: "undone" }]);
      expect(await state()).toEqual(before);
      expect(await sweepImages(workshop.installation)).toEqual([]);
      expect(await workshop.images.import(archive, { name: "x" })).toMatchObject({ name: "x" });
    });

    test(`leaves the image that it was to replace when it is killed ${at}`, async () => {
      const old = await workshop.images.import(archive, { name: "x" });
      await workshop.addVm("web", old.id);
      const before = await state();
      writeFileSync(archive, tarOf({ path: "other", content: "2" }));
      await kill(`image.create:${step}:${phase}`, "import", archive, "x");
      await workshop.installation.recoverAbandoned();
      expect(await state()).toEqual(before);
    });
  }

  for (const { name: step } of create.steps.slice(0, -1)) {
    test(`leaves nothing when it is interrupted in '${step}'`, async () => {
      const abort = new AbortController();
      using interrupted = Workshop.again(workshop.home, {
        onStep: (_kind, name, when) => {
          if (name === step && when === "before") abort.abort();
        },
      });
      const before = await state();
      const made = interrupted.images.import(archive, { name: "x", signal: abort.signal });
      await expect(made).rejects.toMatchObject({ code: "interrupted" });
      expect(await state()).toEqual(before);
    });
  }

  test("is seen by nobody before its last step", async () => {
    const seen: string[] = [];
    using watched = Workshop.again(workshop.home, {
      onStep: (_kind, step, phase) => {
        const count = workshop.installation.db.all("SELECT * FROM images").length;
        seen.push(`${step} ${phase} ${count}`);
      },
    });
    await watched.images.import(archive, { name: "x" });
    expect(seen.filter((line) => line.endsWith(" 1"))).toEqual(["record after 1"]);
  });
});

describe("an image that is being deleted", () => {
  for (const { step, phase } of faultsOf(deleteImageOperation)) {
    test(`is gone when it is killed ${phase} '${step}'`, async () => {
      await workshop.images.import(archive, { name: "x" });
      await kill(`image.delete:${step}:${phase}`, "delete", "x");
      expect(await workshop.installation.recoverAbandoned()).toMatchObject([{ outcome: "finished" }]);
      expect(await state()).toEqual({ images: [], files: [], operations: [] });
      const events = workshop.installation.db.all("SELECT * FROM events WHERE kind = 'image.deleted'");
      expect(events).toHaveLength(1);
    });
  }
});
