import Foundation

/// The host's ports that lead into a guest, for as long as the machine runs.
public final class PublishedPorts: @unchecked Sendable {
  /// Connections at once; more wait. With the datagrams' clients they are as many as the guest's agent serves
  /// (guest/internal/publish/serve.go).
  private static let mostStreams = 320
  private static let mostDatagramClients = 128

  private var sockets: [Int32] = []

  /// Listens at all of them from now on. Throws what `HostSocket.bound` throws; then at none.
  public init(machine: any Machine, _ forwards: [Forward]) throws {
    do {
      for forward in forwards { sockets.append(try HostSocket.bound(forward)) }
    } catch {
      close()
      throw error
    }
    let slots = DispatchSemaphore(value: Self.mostStreams)
    let mostClients = Self.mostDatagramClients / max(1, forwards.filter { $0.transport == .udp }.count)
    for (socket, forward) in zip(sockets, forwards) {
      switch forward.transport {
      case .tcp: serveStreams(socket, forward, machine, slots)
      case .udp: serveDatagrams(socket, forward, machine, most: max(1, mostClients))
      }
    }
  }

  public func close() {
    for socket in sockets {
      _ = shutdown(socket, Int32(SHUT_RDWR))
      _ = systemClose(socket)
    }
    sockets = []
  }
}

private func serveStreams(_ listener: Int32, _ forward: Forward, _ machine: any Machine, _ slots: DispatchSemaphore) {
  Thread.detachNewThread {
    while let client = UnixSocket.accept(listener) {
      slots.wait()
      ignoreBrokenPipes(client)
      Task { @MainActor in
        do {
          Pieces.join(client, try await GuestService.connect(machine, forward)) { slots.signal() }
        } catch {
          reset(client)
          slots.signal()
        }
      }
    }
  }
}

/// Says that nobody listens, as far as that can be said of a connection that is there already.
private func reset(_ client: Int32) {
  var abort = linger(l_onoff: 1, l_linger: 0)
  setsockopt(client, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
  _ = systemClose(client)
}

private func serveDatagrams(_ socket: Int32, _ forward: Forward, _ machine: any Machine, most: Int) {
  let clients = DatagramClients(socket, most: most) { try await GuestService.connect(machine, forward) }
  Thread.detachNewThread { clients.serve() }
}

private let systemClose = close
