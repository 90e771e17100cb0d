import XCTest

@testable import EmberVZ

final class DatagramClientsTests: XCTestCase {
  func testOfTooManyTheOneThatWasSilentLongestIsForgotten() async throws {
    let service = try UDPSocket()
    let guest = await Guests()
    let clients = DatagramClients(service.descriptor, most: 2) { guest.next() }
    Thread.detachNewThread { clients.serve() }
    let senders = try (0..<3).map { _ in try UDPSocket() }
    for (index, sender) in senders.enumerated() {
      sender.send("from \(index)", to: service)
      let end = await guest.end(index)
      let datagram = await offMain { Pieces.receive(end) }
      XCTAssertEqual(datagram, Array("from \(index)".utf8))
    }
    let first = await guest.end(0)
    let hungUp = await offMain { Pieces.receive(first) }
    XCTAssertNil(hungUp)
    let others = await [guest.end(1), guest.end(2)]
    for (end, sender) in zip(others, senders.dropFirst()) {
      try Pieces.send(Array("answer".utf8), end)
      let answer = await offMain { try? Stream.read(sender.descriptor, 100) }
      XCTAssertEqual(answer, Array("answer".utf8))
    }
    // Forgotten, not banned.
    senders[0].send("again", to: service)
    let fourth = await guest.end(3)
    let again = await offMain { Pieces.receive(fourth) }
    XCTAssertEqual(again, Array("again".utf8))
    _ = shutdown(service.descriptor, Int32(SHUT_RDWR))
    for index in 0..<4 { close(await guest.end(index)) }
  }
}

/// Hands out connections whose other ends are the test's.
@MainActor
private final class Guests {
  private var ends: [Int32] = []

  func next() -> Int32 {
    var pair: [Int32] = [0, 0]
    XCTAssertEqual(socketpair(AF_UNIX, streamType, 0, &pair), 0)
    ends.append(pair[1])
    return pair[0]
  }

  /// Of the connection with that number, once it has been asked for.
  func end(_ index: Int) async -> Int32 {
    while ends.count <= index { await Task.yield() }
    return ends[index]
  }
}

/// At a port of the loopback that was free.
private final class UDPSocket: Sendable {
  let descriptor: Int32
  private let address: sockaddr_in

  init() throws {
    descriptor = socket(AF_INET, datagramType, 0)
    var own = sockaddr_in()
    own.sin_family = sa_family_t(AF_INET)
    own.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &own) { [descriptor] in
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard bound else { throw systemFailure("bind") }
    address = own
  }

  deinit { close(descriptor) }

  func send(_ text: String, to other: UDPSocket) {
    let bytes = Array(text.utf8)
    let sent = withUnsafePointer(to: other.address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    XCTAssertEqual(sent, bytes.count)
  }
}
