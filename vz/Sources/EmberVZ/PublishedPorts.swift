import Foundation

/// The host's ports that lead into a guest, for as long as the machine runs.
public final class PublishedPorts: @unchecked Sendable {
  private var sockets: [Int32] = []

  /// Listens at all of them from now on. Throws what `HostSocket.bound` throws; then at none.
  public init(machine: any Machine, _ forwards: [Forward]) throws {
    do {
      for forward in forwards { sockets.append(try HostSocket.bound(forward)) }
    } catch {
      close()
      throw error
    }
    for (socket, forward) in zip(sockets, forwards) {
      switch forward.transport {
      case .tcp: serveStreams(socket, forward, machine)
      case .udp: serveDatagrams(socket, forward, machine)
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

private func serveStreams(_ listener: Int32, _ forward: Forward, _ machine: any Machine) {
  Thread.detachNewThread {
    while let client = UnixSocket.accept(listener) {
      ignoreBrokenPipes(client)
      Task { @MainActor in
        do {
          Pieces.join(client, try await GuestService.connect(machine, forward))
        } catch {
          reset(client)
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

private func serveDatagrams(_ socket: Int32, _ forward: Forward, _ machine: any Machine) {
  let clients = DatagramClients(socket) { try await GuestService.connect(machine, forward) }
  Thread.detachNewThread { clients.serve() }
}

private let systemClose = close
