import EmberVZ
import Foundation

/// A socket whose datagrams are frames: to whoever is bound at `path`, and back to a name beside it that is ours. It follows
/// the network there to one that was started anew, for as long as this process lives.
func frames(_ path: String) throws -> FileHandle {
  for name in abandonedFramesNames(path) { unlink(name) }
  let first = bindingOf(path)
  let descriptor = try UnixSocket.datagrams(from: ownFramesName(path), to: path)
  // As many as a burst of the guest has (VZFileHandleNetworkDeviceAttachment asks for four times as much to receive).
  var bytes: Int32 = 1 << 20
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  bytes = 4 << 20
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  announce(descriptor)
  follow(descriptor, path, from: first)
  return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
}

/// Tells the network where this machine is, which a silent guest never would: frames to it come from now on. It is too short for
/// a frame; vfkit greets networks so.
private func announce(_ descriptor: Int32) {
  let greeting = Array("VFKT".utf8)
  _ = send(descriptor, greeting, greeting.count, Int32(MSG_DONTWAIT))
}

/// What tells one binding of a socket's name from the next.
private struct Binding: Equatable {
  let number: Int
  let date: Date
}

private func bindingOf(_ path: String) -> Binding? {
  guard let facts = try? FileManager.default.attributesOfItem(atPath: path),
    let number = facts[.systemFileNumber] as? Int, let date = facts[.modificationDate] as? Date
  else { return nil }
  return Binding(number: number, date: date)
}

/// A socket stays connected to the one that was bound when it connected, though nobody has that open any more.
private func follow(_ descriptor: Int32, _ path: String, from first: Binding?) {
  let thread = Thread {
    var known = first
    while true {
      usleep(200_000)
      guard let now = bindingOf(path), now != known else { continue }
      if UnixSocket.reconnect(descriptor, to: path) {
        known = now
        announce(descriptor)
      }
    }
  }
  thread.name = "frames"
  thread.stackSize = 64 << 10
  thread.start()
}
