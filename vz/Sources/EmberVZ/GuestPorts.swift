import Foundation

/// The guest's vsock ports as one Unix socket, by Firecracker's protocol: "CONNECT PORT\n" is answered by "OK PORT\n", and
/// what follows belongs to the guest (Firecracker's vsock.md). So ember's channel is the same on both platforms.
public final class GuestPorts: @unchecked Sendable {
  private let machine: any Machine
  private let listener: Int32
  private let path: String

  /// Listens from now on. Throws what `UnixSocket.listen` throws.
  public init(machine: any Machine, path: String) throws {
    self.machine = machine
    self.path = path
    listener = try UnixSocket.listen(at: path)
    Thread.detachNewThread { [self] in serve() }
  }

  public func close() {
    unlink(path)
    _ = shutdown(listener, Int32(SHUT_RDWR))
    _ = systemClose(listener)
  }

  private func serve() {
    while let connection = UnixSocket.accept(listener) {
      Thread.detachNewThread { [self] in begin(connection) }
    }
  }

  private func begin(_ connection: Int32) {
    ignoreBrokenPipes(connection)
    guard let line = try? Stream.line(connection, limit: 32), let port = portOf(line) else {
      _ = systemClose(connection)
      return
    }
    Task { @MainActor in
      do {
        let guest = try await machine.connect(port: port)
        ignoreBrokenPipes(guest)
        try Stream.write(connection, "OK \(port)\n".utf8)
        Stream.join(connection, guest)
      } catch {
        _ = systemClose(connection)  // as Firecracker does when nobody listens in the guest
      }
    }
  }
}

func portOf(_ line: String) -> UInt32? {
  guard line.hasPrefix("CONNECT ") else { return nil }
  return UInt32(line.dropFirst(8))
}

/// Where the system has that for a single socket; elsewhere the process ignores the signal.
func ignoreBrokenPipes(_ descriptor: Int32) {
  #if canImport(Darwin)
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
  #endif
}

private let systemClose = close
