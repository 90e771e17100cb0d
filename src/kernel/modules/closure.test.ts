import { describe, expect, test } from "bun:test";
import { makeModule } from "../testing/fake-kernel.ts";
import { closeModules } from "./closure.ts";
import { moduleName, readModuleInfo } from "./modinfo.ts";
import type { WantedModule } from "./wanted.ts";

const required = (...names: string[]): WantedModule[] => names.map((name) => ({ name, required: true }));

const close = (
  wanted: readonly WantedModule[],
  modules: Readonly<Record<string, readonly string[]>>,
  builtin: readonly string[] = [],
): Promise<readonly string[]> =>
  closeModules(wanted, {
    builtin: new Set(builtin),
    read: async (name) => {
      const depends = modules[name];
      return depends === undefined ? undefined : { name, depends };
    },
  });

describe("closeModules", () => {
  test("puts everything after what it depends on, once, and the wanted ones in their order", async () => {
    const modules = {
      pci: ["core", "ring"],
      ring: ["core"],
      core: [],
      blk: ["ring", "core"],
      net: ["fail"],
      fail: [],
    };
    expect(await close(required("pci", "blk", "net"), modules)).toEqual([
      "core",
      "ring",
      "pci",
      "blk",
      "fail",
      "net",
    ]);
  });

  test("leaves out what is built in, and what is optional and not there", async () => {
    const wanted = [...required("pci", "ext4"), { name: "balloon", required: false }];
    expect(await close(wanted, { pci: ["core"] }, ["core", "ext4"])).toEqual(["pci"]);
    expect(await close(required("pci"), {}, ["pci"])).toEqual([]);
  });

  test("refuses a kernel that lacks what is needed, and says what needs it", async () => {
    await expect(close(required("pci"), {})).rejects.toThrow("lacks the module 'pci', which guests need");
    await expect(close(required("pci"), { pci: ["core"] })).rejects.toThrow("'core', which 'pci' needs");
    const optional = [{ name: "balloon", required: false }];
    await expect(close(optional, { balloon: ["core"] })).rejects.toThrow("'core', which 'balloon' needs");
  });

  test("refuses modules that depend on each other", async () => {
    await expect(close(required("a"), { a: ["b"], b: ["a"] })).rejects.toThrow("a,b,a");
  });
});

describe("readModuleInfo", () => {
  test("reads name and dependencies, dashes as the kernel takes them", () => {
    expect(readModuleInfo("virtio-rng.ko", makeModule("virtio_rng", ["virtio", "rng-core"]))).toEqual({
      name: "virtio_rng",
      depends: ["virtio", "rng_core"],
    });
    expect(readModuleInfo("crc.ko", makeModule("crc")).depends).toEqual([]);
    expect(moduleName("virtio-rng.ko.xz")).toBe("virtio_rng");
  });

  test("refuses what is no module, cut short at any byte, without reading beyond the end", () => {
    const bytes = makeModule("virtio", ["ring"]);
    for (let size = 0; size < bytes.length; size++) {
      expect(() => readModuleInfo("virtio.ko", bytes.subarray(0, size))).toThrow("is no kernel module");
    }
    expect(() => readModuleInfo("x.ko", Buffer.alloc(5000, 0xff))).toThrow("is no kernel module");
  });
});
