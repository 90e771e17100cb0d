import { createSocket } from "node:dgram";
import { createServer, isIPv4 } from "node:net";
import { EmberError, errnoCode } from "../errors/ember-error.ts";
import type { PublishedPort } from "./network.ts";

/**
 * Checks that every port could be taken now. The hypervisor is what takes them, so it may still fail.
 * Throws `port-taken`, `permission-denied` (a port below 1024), `unsupported` (an address QEMU cannot listen at).
 */
export async function checkHostPorts(ports: readonly PublishedPort[]): Promise<void> {
  const seen = new Set<string>();
  for (const port of ports) {
    const name = `${port.hostAddress}:${port.hostPort}/${port.protocol}`;
    if (seen.has(name)) throw new EmberError("port-taken", `port ${name} is published twice`);
    seen.add(name);
    if (!isIPv4(port.hostAddress)) {
      throw new EmberError("unsupported", `the host cannot publish at '${port.hostAddress}'`, {
        hint: "publish at an IPv4 address, such as 127.0.0.1",
      });
    }
    try {
      if (port.protocol === "tcp") await listenOnce(port.hostAddress, port.hostPort);
      else await bindOnce(port.hostAddress, port.hostPort);
    } catch (error) {
      throw await portError(name, port, error);
    }
  }
}

async function portError(name: string, port: PublishedPort, error: unknown): Promise<EmberError> {
  switch (errnoCode(error)) {
    case "EACCES":
    case "EPERM":
      return new EmberError("permission-denied", `this user may not publish port ${name}`, {
        hint: `choose a host port above 1023, such as ${port.hostPort + 8000}`,
        cause: error,
      });
    case "EADDRNOTAVAIL":
      return new EmberError("unsupported", `this host has no address '${port.hostAddress}'`, {
        hint: "publish at 127.0.0.1, or at 0.0.0.0 for every address of the host",
        cause: error,
      });
    default:
      return await portTaken(port, error);
  }
}

/** The error that names who has the port, as far as this user can see. */
export async function portTaken(port: PublishedPort, cause?: unknown): Promise<EmberError> {
  const { describeOwner, portOwner } = await import("../host/port-owner.ts");
  const owner = await portOwner(port);
  const who = owner === undefined ? "in use on this host" : `taken by ${describeOwner(owner)}`;
  const name = `${port.hostAddress}:${port.hostPort}/${port.protocol}`;
  return new EmberError("port-taken", `port ${name} is ${who}`, {
    hint: "publish the guest's port at another one",
    cause,
  });
}

function listenOnce(address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function bindOnce(address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve()));
  });
}
