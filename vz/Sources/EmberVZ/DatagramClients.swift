import Foundation

/// Who sends datagrams to a port of the host: each has a connection to the guest of its own, which the guest ends when nothing
/// has gone over it for a minute.
final class DatagramClients: @unchecked Sendable {
  typealias Connect = @MainActor @Sendable () async throws -> Int32

  private struct Known {
    let client: DatagramClient
    var lastHeard: DispatchTime
  }

  private let socket: Int32
  private let most: Int
  private let connect: Connect
  private let lock = NSLock()
  private var clients: [Data: Known] = [:]

  /// Of more than `most`, those are remembered who were heard last: some protocols ask each question from another port.
  init(_ socket: Int32, most: Int, connect: @escaping Connect) {
    self.socket = socket
    self.most = most
    self.connect = connect
  }

  /// Returns once the socket is closed.
  func serve() {
    var buffer = [UInt8](repeating: 0, count: 65_535)
    while true {
      var address = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let count = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(socket, &buffer, buffer.count, 0, $0, &length) }
      }
      // Zero bytes may be a datagram; after a shutdown there is no sender.
      if count < 0, errno == EINTR || errno == ECONNREFUSED { continue }
      if count < 0 || length == 0 { return }
      let sender = withUnsafeBytes(of: &address) { Data($0.prefix(Int(length))) }
      client(sender).send(Array(buffer[..<count]))
    }
  }

  private func client(_ sender: Data) -> DatagramClient {
    lock.lock()
    defer { lock.unlock() }
    if let known = clients[sender]?.client {
      clients[sender]?.lastHeard = .now()
      return known
    }
    if clients.count >= most, let (oldest, known) = clients.min(by: { $0.value.lastHeard < $1.value.lastHeard }) {
      clients[oldest] = nil
      known.client.hangUp()
    }
    let client = DatagramClient()
    clients[sender] = Known(client: client, lastHeard: .now())
    begin(client, sender)
    return client
  }

  private func begin(_ client: DatagramClient, _ sender: Data) {
    Task { @MainActor in
      let guest = try? await self.connect()
      Thread.detachNewThread {
        if let guest {
          client.open(guest)
          while let datagram = Pieces.receive(guest) { self.answer(datagram, sender) }
        }
        self.forget(client, sender)
        client.close()
      }
    }
  }

  private func forget(_ client: DatagramClient, _ sender: Data) {
    lock.lock()
    defer { lock.unlock() }
    // It may have been forgotten before, and another be there by now.
    if clients[sender]?.client === client { clients[sender] = nil }
  }

  private func answer(_ datagram: [UInt8], _ sender: Data) {
    lock.lock()
    clients[sender]?.lastHeard = .now()
    lock.unlock()
    sender.withUnsafeBytes { address in
      guard let first = address.bindMemory(to: sockaddr.self).baseAddress else { return }
      _ = sendto(socket, datagram, datagram.count, 0, first, socklen_t(sender.count))  // it may be gone
    }
  }
}
