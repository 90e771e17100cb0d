import Foundation

/// Serves a Unix socket of the owner's: each connection on a thread of its own, which has to close it.
final class SocketServer: @unchecked Sendable {
  private let listener: Int32
  private let path: String

  /// Listens from now on. Throws what `UnixSocket.listen` throws.
  init(path: String, serve: @escaping @Sendable (Int32) -> Void) throws {
    self.path = path
    let listener = try UnixSocket.listen(at: path)
    self.listener = listener
    Thread.detachNewThread {
      while let connection = UnixSocket.accept(listener) {
        ignoreBrokenPipes(connection)
        Thread.detachNewThread { serve(connection) }
      }
    }
  }

  func close() {
    unlink(path)
    _ = shutdown(listener, Int32(SHUT_RDWR))
    _ = systemClose(listener)
  }
}

/// Where the system has that for a single socket; elsewhere the process ignores the signal.
func ignoreBrokenPipes(_ descriptor: Int32) {
  #if canImport(Darwin)
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
  #endif
}

private let systemClose = close
