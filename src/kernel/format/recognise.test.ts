import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { EmberError } from "../../errors/ember-error.ts";
import { lookUpTool } from "../../host/tools.ts";
import {
  makeArm64Image,
  makeBzImage,
  makeModule,
  makeVmlinux,
  makeZboot,
  withSize,
} from "../testing/fake-kernel.ts";
import { recogniseKernel } from "./recognise.ts";

async function refusal(bytes: Buffer): Promise<string> {
  try {
    await recogniseKernel(bytes);
    return "recognised";
  } catch (error) {
    if (!(error instanceof EmberError)) throw error;
    expect(error.code).toBe("kernel-invalid");
    expect(error.hint).toBeDefined();
    return error.message.replace(/^.*: it /, "");
  }
}

const vmlinux = makeVmlinux();

function packed(tool: string): Buffer {
  const { stdout } = spawnSync(tool, tool === "lz4" ? ["-l", "-c"] : ["-c"], { input: vmlinux });
  return withSize(stdout, vmlinux.length);
}

describe("bzImage", () => {
  test("with a gzip payload is unpacked to the kernel inside, and kept", async () => {
    const bytes = makeBzImage();
    const kernel = await recogniseKernel(bytes);
    expect(kernel).toMatchObject({ format: "bzImage", arch: "amd64", version: "6.1.0-fake" });
    expect(kernel.bootable).toEqual(["bzimage", "pvh", "elf"]);
    expect(kernel.kernel.equals(vmlinux)).toBe(true);
    expect(kernel.original?.equals(bytes)).toBe(true);
  });

  for (const tool of ["xz", "zstd", "lz4"]) {
    test.skipIf(lookUpTool(tool) === undefined)(`with a payload packed by ${tool} is unpacked`, async () => {
      const kernel = await recogniseKernel(makeBzImage({ payload: packed(tool) }));
      expect(kernel.kernel.equals(vmlinux)).toBe(true);
    });
  }

  test("in a compression that is not unpacked here is booted as it is", async () => {
    const bytes = makeBzImage({ payload: Buffer.from("BZh91AY and so on, in a form of its own") });
    const kernel = await recogniseKernel(bytes);
    expect(kernel).toMatchObject({ bootable: ["bzimage"], version: "6.1.0-fake", original: undefined });
    expect(kernel.kernel.equals(bytes)).toBe(true);
  });

  test("whose kernel has no PVH entry is booted as it is", async () => {
    const payload = gzipSync(makeVmlinux({ pvh: false }));
    expect((await recogniseKernel(makeBzImage({ payload }))).bootable).toEqual(["bzimage", "elf"]);
  });

  test("that is damaged, cut short, or for 32 bits is refused", async () => {
    const damaged = Buffer.from(gzipSync(vmlinux));
    damaged.fill(0xff, 20, 60);
    expect(await refusal(makeBzImage({ payload: damaged }))).toBe(
      "is a kernel whose compressed part is damaged",
    );
    const wrongSize = withSize(packed("xz").subarray(0, -4), vmlinux.length + 1);
    expect(await refusal(makeBzImage({ payload: wrongSize }))).toContain("damaged");
    expect(await refusal(makeBzImage().subarray(0, -10))).toBe("is a bzImage that is cut short");
    expect(await refusal(makeBzImage({ is64Bit: false }))).toBe("is a 32-bit x86 kernel");
  });

  test("that claims to hold gigabytes is refused before it is unpacked", async () => {
    const payload = withSize(packed("xz").subarray(0, -4), 0xffffffff);
    expect(await refusal(makeBzImage({ payload }))).toBe("unpacks to more than a kernel can be");
  });
});

describe("vmlinux", () => {
  test("is booted as it is; the PVH note says how", async () => {
    expect(await recogniseKernel(vmlinux)).toMatchObject({ format: "vmlinux", bootable: ["pvh", "elf"] });
    expect((await recogniseKernel(makeVmlinux({ pvh: false }))).bootable).toEqual(["elf"]);
  });

  test("inside a gzip file is unpacked", async () => {
    const kernel = await recogniseKernel(gzipSync(vmlinux));
    expect(kernel).toMatchObject({ format: "vmlinux", version: "6.1.0-fake" });
    expect(kernel.kernel.equals(vmlinux)).toBe(true);
    expect(kernel.original).toBeDefined();
  });

  test("is told from programs, modules and kernels for other processors", async () => {
    expect(await refusal(makeVmlinux({ banner: false }))).toBe("is a program, not a kernel");
    expect(await refusal(makeVmlinux({ interpreter: true }))).toBe("is a program, not a kernel");
    expect(await refusal(makeModule("virtio"))).toBe("is a program, not a kernel");
    expect(await refusal(makeVmlinux({ machine: 183 }))).toBe("is an arm64 vmlinux");
    expect(await refusal(makeVmlinux({ machine: 243 }))).toBe("is a kernel for another processor");
  });

  test("that is cut short anywhere is refused, never read beyond its end", async () => {
    for (let size = 0; size < 200; size += 3)
      expect(await refusal(vmlinux.subarray(0, size))).not.toBe("recognised");
    expect(await refusal(vmlinux.subarray(0, 3000))).toBe("is a vmlinux that is cut short");
  });
});

describe("arm64", () => {
  const image = makeArm64Image();

  test("an Image is booted as it is; in gzip form or inside an EFI program it is unpacked", async () => {
    expect(await recogniseKernel(image)).toMatchObject({
      format: "Image",
      arch: "arm64",
      version: "6.1.0-fake",
      bootable: ["image"],
      original: undefined,
    });
    for (const wrapped of [gzipSync(image), makeZboot(gzipSync(image))]) {
      const kernel = await recogniseKernel(wrapped);
      expect(kernel).toMatchObject({ format: "Image", arch: "arm64" });
      expect(kernel.kernel.equals(image)).toBe(true);
    }
  });

  test("an EFI program without a kernel in it is refused", async () => {
    expect(await refusal(makeZboot(gzipSync(Buffer.from("nothing"))))).toContain("is a text file");
    expect(await refusal(makeZboot(image).subarray(0, 600))).toBe("is an EFI kernel that is cut short");
  });
});

describe("anything else", () => {
  const cases: [what: string, bytes: Buffer][] = [
    ["is empty", Buffer.alloc(0)],
    ["is a text file", Buffer.from("#!/bin/sh\necho hello\n")],
    ["is a gzip file, and what it holds is a text file", gzipSync(Buffer.from("hello"))],
    ["is a Debian package or library", Buffer.from("!<arch>\ndebian-binary")],
    ["is a cpio archive (an initrd?)", Buffer.from("070701000000")],
    ["is a qcow2 disk", Buffer.from("QFI\xfb\0\0\0\x03", "latin1")],
    ["begins with zeros only", Buffer.alloc(5000)],
    ["is of no known kind", Buffer.from("\x01\x02\x03 what is this", "latin1")],
    ["is a damaged gzip file", Buffer.concat([Buffer.from("1f8b08", "hex"), Buffer.alloc(50, 7)])],
  ];
  for (const [what, bytes] of cases) {
    test(`is refused, and said to be what it is: ${what}`, async () => {
      expect(await refusal(bytes)).toBe(what);
    });
  }
});
