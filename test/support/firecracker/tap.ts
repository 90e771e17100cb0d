import { closeSync, constants, openSync } from "node:fs";
import { codeOf, Refusal, systemErrorWords } from "./answers.ts";
import { ioctl } from "./libc.ts";

// linux/if_tun.h: _IOW('T', 202, int), and a TAP with a header for offloads before each packet, nothing else.
const TUNSETIFF = 0x400454ca;
const flags = 0x0002 | 0x1000 | 0x4000;
const nameLimit = 16;

/** Opens a TAP as Firecracker does. Like it, makes the interface if there is none and the process may. */
export function openTap(tun: string, name: string): number {
  const failed = "Network config error: Could not create the network device: Open tap device failed:";
  const fd = openTun(tun, failed);
  if (Buffer.byteLength(name) >= nameLimit) {
    closeSync(fd);
    throw new Refusal(`${failed} Invalid interface name`);
  }
  const request = Buffer.alloc(40); // struct ifreq
  request.write(name, 0, nameLimit - 1);
  request.writeUInt16LE(flags, nameLimit);
  const fault = ioctl(fd, TUNSETIFF, request);
  if (fault === undefined) return fd;
  closeSync(fd);
  throw new Refusal(
    `${failed} Error while creating ifreq structure: ${systemErrorWords(fault)}. Invalid TUN/TAP Backend provided by ${name}. Check our documentation on setting up the network devices.`,
  );
}

function openTun(tun: string, failed: string): number {
  try {
    return openSync(tun, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    throw new Refusal(`${failed} Couldn't open /dev/net/tun: ${systemErrorWords(codeOf(error))}`);
  }
}
