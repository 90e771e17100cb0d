import EmberVZ
import Foundation

/// A socket whose datagrams are frames: to whoever is bound at `path`, and back to a name beside it that is ours.
func frames(_ path: String) throws -> FileHandle {
  for name in abandonedFramesNames(path) { unlink(name) }
  let descriptor = try UnixSocket.datagrams(from: ownFramesName(path), to: path)
  // As many as a burst of the guest has (VZFileHandleNetworkDeviceAttachment asks for four times as much to receive).
  var bytes: Int32 = 1 << 20
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  bytes = 4 << 20
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
  return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
}
