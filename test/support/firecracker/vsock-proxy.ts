import { connect, createServer, type Server, type Socket } from "node:net";

const firstHostPort = 2 ** 30;
const lineLimit = 64;

/**
 * Stands before the vsock device at the path that clients know. The device dies of a client that leaves before the guest
 * has answered, which clients that wait for a guest do all the time; and it tells them the guest's port as theirs.
 * Clients wait until `guestIsReady`: the device dies also of those that come while the guest's driver starts.
 */
export async function proxyVsock(
  path: string,
  devicePath: string,
  guestIsReady: Promise<void>,
): Promise<Server> {
  let nextPort = firstHostPort;
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    takeLine(client, (line) => {
      if (!/^connect \d+$/i.test(line)) client.destroy();
      else void guestIsReady.then(() => forward(client, connect(devicePath), line, nextPort++));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(path, resolve);
  });
  return server;
}

/** The first line of a stream; what follows it stays there. */
function takeLine(stream: Socket, then: (line: string) => void): void {
  let received: Buffer = Buffer.alloc(0);
  const receive = (chunk: Buffer): void => {
    received = Buffer.concat([received, Buffer.from(chunk)]);
    const end = received.indexOf("\n");
    if (end === -1 && received.length <= lineLimit) return;
    stream.off("data", receive);
    stream.pause();
    if (end === -1) stream.destroy();
    else {
      if (end + 1 < received.length) stream.unshift(received.subarray(end + 1));
      then(received.toString("latin1", 0, end));
    }
  };
  stream.on("data", receive);
}

function forward(client: Socket, device: Socket, line: string, hostPort: number): void {
  device.on("error", () => device.destroy());
  device.on("close", () => client.end());
  device.write(`${line}\n`);
  takeLine(device, () => {
    // Only now can the device bear that the client has gone.
    if (client.destroyed || client.readableEnded) {
      device.end();
      return;
    }
    client.on("close", () => device.end());
    client.write(`OK ${hostPort}\n`);
    client.pipe(device);
    device.pipe(client);
  });
}
