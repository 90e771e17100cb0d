import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { Database } from "./database.ts";
import { Journal, type Operation, type StepObserver } from "./journal.ts";

type World = Set<string>;

const names = ["one", "two", "three"];
const steps = names.map((name) => ({
  name,
  run: async (world: World): Promise<undefined> => {
    world.add(name);
    return undefined;
  },
  undo: async (world: World): Promise<void> => {
    world.delete(name);
  },
}));
const make: Operation<World> = { kind: "make", recovery: "undo", steps };
const unmake: Operation<World> = {
  kind: "unmake",
  recovery: "finish",
  steps: names.map((name) => ({
    name,
    run: async (world: World): Promise<undefined> => {
      world.delete(name);
      return undefined;
    },
  })),
};

class Killed extends Error {}

let folder: string;
let db: Database;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-journal-"));
  db = Database.open(folder);
});
afterEach(() => {
  db[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function journal(observe?: StepObserver): Journal<World> {
  return new Journal<World>(db, async () => [make, unmake], observe);
}

/** Leaves the journal as a killed process does: the operation stays as it was, with an owner that is gone. */
function kill(): void {
  db.run("UPDATE operations SET owner_pid = 4194304");
}

describe("an operation", () => {
  test("that succeeds leaves its work and an empty journal", async () => {
    const world: World = new Set();
    await journal().execute(make, ["vm:a"], world, {});
    expect([...world]).toEqual(names);
    expect(journal().hasWork()).toBe(false);
    expect(db.all("SELECT * FROM operations")).toEqual([]);
  });

  test("that fails at any step is undone before its error is thrown", async () => {
    for (const failing of names) {
      for (const phase of ["before", "after"] as const) {
        const world: World = new Set();
        const broken = journal((_kind, step, when) => {
          if (step === failing && when === phase) throw new EmberError("disk-full", "no room");
        });
        await expect(broken.execute(make, ["vm:a"], world, {})).rejects.toThrow("no room");
        expect([...world]).toEqual([]);
        expect(db.all("SELECT * FROM operations")).toEqual([]);
      }
    }
  });

  test("keeps what keepAfter names when it fails for that reason", async () => {
    const world: World = new Set();
    const lasting: Operation<World> = {
      ...make,
      keepAfter: (error) => (error.code === "boot-failed" ? "two" : undefined),
    };
    const broken = new Journal<World>(
      db,
      async () => [lasting],
      (_kind, step, when) => {
        if (step === "three" && when === "after") throw new EmberError("boot-failed", "no agent");
      },
    );
    await expect(broken.execute(lasting, ["vm:a"], world, {})).rejects.toThrow("no agent");
    expect([...world]).toEqual(["one", "two"]);
  });

  test("that is aborted between steps is undone and says so", async () => {
    const world: World = new Set();
    const abort = new AbortController();
    const watched = journal((_kind, step, when) => {
      if (step === "two" && when === "after") abort.abort();
    });
    await expect(watched.execute(make, ["vm:a"], world, {}, abort.signal)).rejects.toMatchObject({
      code: "interrupted",
    });
    expect([...world]).toEqual([]);
  });

  test("whose undoing fails stays in the journal until it can be undone", async () => {
    const world: World = new Set();
    let stuck = true;
    const sticky: Operation<World> = {
      ...make,
      steps: [
        {
          name: "sticky",
          run: async () => {
            world.add("sticky");
            throw new EmberError("tool-failed", "no luck");
          },
          undo: async () => {
            if (stuck) throw new EmberError("tool-failed", "still mounted");
            world.delete("sticky");
          },
        },
      ],
    };
    const sticking = new Journal<World>(db, async () => [sticky]);
    await expect(sticking.execute(sticky, ["vm:a"], world, {})).rejects.toThrow(
      "could not be undone yet: still mounted",
    );
    expect(sticking.hasWork()).toBe(true);
    stuck = false;
    expect(await sticking.recover(["vm:a"], world)).toMatchObject([{ kind: "make", outcome: "undone" }]);
    expect([...world]).toEqual([]);
  });
});

describe("an operation's conclusion", () => {
  const concluding: Operation<World> = {
    ...make,
    conclude: (world) => {
      world.add("concluded");
      db.run("INSERT INTO settings (key, value) VALUES ('concluded', 'yes')");
      journal().leave("unmake", ["vm:a"], {});
    },
  };
  const concluded = (): boolean => db.get("SELECT 1 FROM settings WHERE key = 'concluded'") !== undefined;

  test("comes last, and what it leaves is done by whoever has the subject next", async () => {
    const world: World = new Set();
    await journal().execute(concluding, ["vm:a"], world, {});
    expect([...world]).toEqual([...names, "concluded"]);
    expect(concluded()).toBe(true);
    expect(await journal().recover(["vm:b"], world)).toEqual([]);
    expect(await journal().recover(["vm:a"], world)).toMatchObject([{ kind: "unmake", outcome: "finished" }]);
    expect([...world]).toEqual(["concluded"]);
    expect(journal().hasWork()).toBe(false);
  });

  test("that fails has changed nothing in the database, and the steps are undone", async () => {
    const failing: Operation<World> = {
      ...concluding,
      conclude: (world, data) => {
        concluding.conclude?.(world, data);
        throw new EmberError("database-failed", "no room");
      },
    };
    const world: World = new Set();
    await expect(journal().execute(failing, ["vm:a"], world, {})).rejects.toThrow("no room");
    expect([...world]).toEqual(["concluded"]);
    expect(concluded()).toBe(false);
    expect(db.all("SELECT * FROM operations")).toEqual([]);
  });

  test("is not made up for when the operation is undone after a kill", async () => {
    const world: World = new Set();
    await interruptAt(concluding, "three", "after", world);
    const again = new Journal<World>(db, async () => [concluding]);
    await again.recover(["vm:a"], world);
    expect([...world]).toEqual([]);
    expect(concluded()).toBe(false);
  });
});

describe("recovery after a kill at every step", () => {
  for (const killedAt of names) {
    for (const phase of ["before", "after"] as const) {
      test(`undoes 'make' killed ${phase} '${killedAt}'`, async () => {
        const world: World = new Set();
        await interruptAt(make, killedAt, phase, world);
        expect(journal().hasWork()).toBe(true);
        await journal().recover(["vm:a"], world);
        expect([...world]).toEqual([]);
        expect(db.all("SELECT * FROM operations")).toEqual([]);
      });

      test(`finishes 'unmake' killed ${phase} '${killedAt}'`, async () => {
        const world: World = new Set(names);
        await interruptAt(unmake, killedAt, phase, world);
        await journal().recover(["vm:a"], world);
        expect([...world]).toEqual([]);
        expect(journal().hasWork()).toBe(false);
      });
    }
  }

  test("leaves operations on other subjects, and those of living owners, alone", async () => {
    const world: World = new Set();
    await interruptAt(make, "two", "after", world);
    expect(await journal().recover(["vm:b"], world)).toEqual([]);
    db.run("UPDATE operations SET owner_pid = ?", process.pid);
    expect(journal().hasWork()).toBe(false);
    expect(await journal().recover(["vm:a"], world)).toEqual([]);
  });

  test("is not fooled by a process that has the same pid now", async () => {
    const world: World = new Set();
    await interruptAt(make, "two", "after", world);
    db.run("UPDATE operations SET owner_pid = ?, owner_start_time = '1'", process.pid);
    expect(journal().hasWork()).toBe(true);
  });
});

/** Stops an operation as SIGKILL would: nothing of it runs any more, and the journal keeps what it had. */
async function interruptAt(
  operation: Operation<World>,
  step: string,
  phase: string,
  world: World,
): Promise<void> {
  const never = new Promise<undefined>(() => undefined);
  const reached = new Promise<void>((resolve) => {
    const stopping: Operation<World> = {
      ...operation,
      steps: operation.steps.map((candidate) => ({
        ...candidate,
        run: async (context, data, signal) => {
          if (candidate.name !== step) return candidate.run(context, data, signal);
          if (phase === "after") await candidate.run(context, data, signal);
          resolve();
          return never;
        },
      })),
    };
    journal()
      .execute(stopping, ["vm:a"], world, {})
      .catch(() => {
        throw new Killed();
      });
  });
  await reached;
  kill();
}
