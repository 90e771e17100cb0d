import type { Socket } from "node:net";
import type { ClientChannel } from "ssh2";
import type { AgentChannel } from "./channel.ts";

/**
 * Connects a socket of the host with a stream of the guest: bytes both ways at the slower side's pace, the end of
 * one direction without the other's, and the end of both when either breaks.
 */
export function pump(socket: Socket, stream: ClientChannel, agent: AgentChannel): void {
  const resumeSocket = (): void => {
    socket.resume();
  };
  socket.on("data", (chunk: Buffer) => {
    if (!stream.writable) return;
    const ready = stream.write(chunk);
    if (ready && !agent.congested) return;
    socket.pause();
    if (!ready) stream.once("drain", resumeSocket);
    else void agent.drained().then(resumeSocket);
  });
  socket.on("end", () => stream.end());
  stream.on("data", (chunk: Buffer) => {
    if (socket.destroyed || socket.write(chunk)) return;
    stream.pause();
    socket.once("drain", () => stream.resume());
  });
  stream.on("end", () => socket.end());

  socket.on("close", () => {
    stream.close();
    stream.resume(); // what the guest still sends is let go
  });
  stream.on("close", () => {
    if (!socket.destroyed) socket.destroySoon();
  });
  stream.on("error", () => socket.destroy());
}
