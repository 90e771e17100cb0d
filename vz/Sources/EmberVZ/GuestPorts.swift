import Foundation

/// The guest's vsock ports as one Unix socket, by Firecracker's protocol: "CONNECT PORT\n" is answered by "OK PORT\n", and
/// what follows belongs to the guest (Firecracker's vsock.md). So ember's channel is the same on both platforms.
public final class GuestPorts: @unchecked Sendable {
  private let server: SocketServer

  /// Listens from now on. Throws what `UnixSocket.listen` throws.
  public init(machine: any Machine, path: String) throws {
    server = try SocketServer(path: path) { begin($0, machine) }
  }

  public func close() { server.close() }
}

private func begin(_ connection: Int32, _ machine: any Machine) {
  guard let line = try? Stream.line(connection, limit: 32), let port = portOf(line) else {
    close(connection)
    return
  }
  Task { @MainActor in
    do {
      let guest = try await machine.connect(port: port)
      ignoreBrokenPipes(guest)
      try Stream.write(connection, "OK \(port)\n".utf8)
      Stream.join(connection, guest)
    } catch {
      close(connection)  // as Firecracker does when nobody listens in the guest
    }
  }
}

func portOf(_ line: String) -> UInt32? {
  guard line.hasPrefix("CONNECT ") else { return nil }
  return UInt32(line.dropFirst(8))
}
