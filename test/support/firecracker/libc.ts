import { dlopen, FFIType, read } from "bun:ffi";
import { closeSync } from "node:fs";
import { codeOfNumber } from "./answers.ts";

const { symbols } = dlopen("libc.so.6", {
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  connect: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  __errno_location: { args: [], returns: FFIType.ptr },
});

/** The code of the error that `result` stands for, undefined when it is none. */
function codeOfResult(result: number): string | undefined {
  if (result >= 0) return undefined;
  const location = symbols.__errno_location();
  return location === null ? "EIO" : codeOfNumber(read.i32(location, 0));
}

/** The code of the error, undefined when all is well. */
export function ioctl(fd: number, request: number, argument: Buffer): string | undefined {
  return codeOfResult(symbols.ioctl(fd, request, argument));
}

/** A socket connected to the one at `path`, for another process to inherit; undefined while nobody listens there. */
export function connectUnix(path: string): number | undefined {
  const family = 1;
  const stream = 1;
  const fd = symbols.socket(family, stream, 0);
  const address = Buffer.alloc(110);
  address.writeUInt16LE(family, 0);
  address.write(path, 2, 107);
  const fault = codeOfResult(fd < 0 ? fd : symbols.connect(fd, address, address.length));
  if (fault !== undefined && fd >= 0) closeSync(fd);
  if (fault === "ECONNREFUSED" || fault === "ENOENT") return undefined;
  if (fault !== undefined) throw new Error(`connecting to ${path} failed: ${fault}`);
  return fd;
}
