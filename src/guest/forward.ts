import { createServer, type Server, type Socket } from "node:net";
import type { Forwarding } from "../api.ts";
import { EmberError, errnoCode } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { pump } from "./pump.ts";

type ForwardedPort = Forwarding["ports"][number];

/**
 * Listens on ports of the host and leads every connection into the guest, to 127.0.0.1 there. `hostPort` 0 takes a free
 * port; the answer names it. All or nothing: when one port is taken, none is left open. The channel belongs to the
 * forwarding from here on: disposing one ends the other, and `closed` settles when the guest is gone.
 * Throws `port-taken`, `permission-denied`, `io-failed`.
 */
export async function openForwards(
  agent: AgentChannel,
  ports: readonly ForwardedPort[],
): Promise<Forwarding> {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const closeAll = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    agent.close();
  };
  try {
    const bound: ForwardedPort[] = [];
    for (const port of ports) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
        void leadIn(agent, socket, port.guestPort);
      });
      bound.push({ ...port, hostPort: await listen(server, port) });
      servers.push(server);
    }
    return {
      ports: bound,
      closed: agent.closed.then(closeAll),
      [Symbol.asyncDispose]: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function leadIn(agent: AgentChannel, socket: Socket, guestPort: number): Promise<void> {
  socket.on("error", () => socket.destroy()); // the host's side went away: the guest's is closed by `pump`
  try {
    pump(socket, await agent.connectTcp("127.0.0.1", guestPort), agent);
  } catch {
    socket.resetAndDestroy(); // nobody listens in the guest: the client sees a refused connection
  }
}

function listen(server: Server, port: ForwardedPort): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenFailure(error, port)));
    server.listen({ host: port.bind, port: port.hostPort, exclusive: true }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port.hostPort);
    });
  });
}

function listenFailure(error: Error, port: ForwardedPort): EmberError {
  const name = `${port.bind}:${port.hostPort}`;
  switch (errnoCode(error)) {
    case "EADDRINUSE":
      return new EmberError("port-taken", `port ${name} of the host is in use`, {
        hint: "choose another one, or 0 for any that is free",
        cause: error,
      });
    case "EACCES":
      return new EmberError("permission-denied", `port ${name} of the host may not be opened by this user`, {
        hint: "choose a port above 1023",
        cause: error,
      });
    default:
      return new EmberError("io-failed", `port ${name} of the host cannot be opened: ${error.message}`, {
        cause: error,
      });
  }
}
