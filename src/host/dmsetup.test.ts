import { describe, expect, test } from "bun:test";
import { EmberError } from "../errors/ember-error.ts";
import { deviceNumber, parsePoolStatus, parseThinStatus, parseVdoStatus, refusalOf } from "./dmsetup.ts";

describe("the status of a thin pool", () => {
  const healthy = "0 43008 thin-pool 1 15/512 48/336 - rw discard_passdown error_if_no_space - 1024";

  test("tells what is used, and that all is well", () => {
    expect(parsePoolStatus(healthy)).toEqual({
      usedMetadataBlocks: 15,
      metadataBlocks: 512,
      usedDataBlocks: 48,
      dataBlocks: 336,
      holdsSnapshot: false,
      mode: "rw",
      needsCheck: false,
    });
  });

  test("tells of a held snapshot, a full pool, one that takes no changes, and one that has failed", () => {
    expect(parsePoolStatus(healthy.replace(" - rw", " 120 rw")).holdsSnapshot).toBe(true);
    expect(parsePoolStatus(healthy.replace(" rw ", " out_of_data_space ")).mode).toBe("out_of_data_space");
    const readOnly = parsePoolStatus(healthy.replace(" rw ", " ro ").replace(" - 1024", " needs_check 1024"));
    expect(readOnly).toMatchObject({ mode: "ro", needsCheck: true });
    expect(parsePoolStatus("0 43008 thin-pool Fail").mode).toBe("failed");
    expect(parsePoolStatus("0 43008 thin-pool Error").mode).toBe("failed");
  });

  test("of another kind is refused", () => {
    for (const line of ["", "0 43008 linear", "0 43008 thin-pool 1 15/512"]) {
      expect(() => parsePoolStatus(line)).toThrow(EmberError);
    }
  });
});

test("the status of a thin volume tells what it maps, and where that ends", () => {
  expect(parseThinStatus("0 4096 thin 256 3967")).toEqual({ mapped: 256, end: 3968 });
  expect(parseThinStatus("0 4096 thin 0 -")).toEqual({ mapped: 0, end: 0 });
  expect(parseThinStatus("0 4096 thin Fail")).toBeNull();
});

test("the status of a dm-vdo tells its blocks", () => {
  const line = "0 41943040 vdo /dev/dm-1 normal - online online 3928 5242880";
  expect(parseVdoStatus(line)).toEqual({ usedBlocks: 3928, blocks: 5242880 });
  expect(() => parseVdoStatus("0 8 linear")).toThrow(EmberError);
});

test("what the kernel refuses is known by the text of the system error", () => {
  const said = (text: string) =>
    refusalOf(`device-mapper: message ioctl on p  failed: ${text}\nCommand failed.`);
  expect(said("File exists")).toBe("exists");
  expect(said("No data available")).toBe("absent");
  expect(said("No such device or address")).toBe("absent");
  expect(said("Device or resource busy")).toBe("busy");
  expect(said("Input/output error")).toBeUndefined();
  expect(refusalOf("Device x not found")).toBe("absent");
});

test("device numbers are split as the C library does it", () => {
  expect(deviceNumber(0xfd03)).toBe("253:3");
  expect(deviceNumber(0x10_fd_05)).toBe("253:261");
});
