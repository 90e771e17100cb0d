import XCTest

@testable import EmberVZ

final class PublishedPortsTests: XCTestCase {
  func testForwardsAreReadAsTheyAreWritten() {
    XCTAssertEqual(
      parseForward("tcp:127.0.0.1:8080:80"),
      Forward(transport: .tcp, address: "127.0.0.1", hostPort: 8080, guestPort: 80))
    XCTAssertEqual(
      parseForward("udp:[::1]:53:5353"), Forward(transport: .udp, address: "::1", hostPort: 53, guestPort: 5353))
    for text in ["", "tcp", "tcp:1:2", "icmp:127.0.0.1:1:2", "tcp:::1:1:2", "tcp::1:2", "tcp:127.0.0.1:0:80", "tcp:a:1:70000"] {
      XCTAssertNil(parseForward(text), text)
    }
  }

  func testAConnectionLeadsToTheGuestsServiceOnceThatHasAnswered() async throws {
    let guest = try await Guest()
    let forward = try freeForward(.tcp)
    let ports = try PublishedPorts(machine: guest.machine, [forward])
    defer { ports.close() }
    let client = try connect(forward)
    let request = await offMain { [end = guest.end] in try? Stream.line(end, limit: 32) }
    XCTAssertEqual(request, "tcp \(forward.guestPort)")
    try Stream.write(guest.end, "OK\n".utf8)
    try Pieces.send(Array("welcome".utf8), guest.end)
    let text = await offMain { try? Stream.read(client, 100) }
    XCTAssertEqual(text, Array("welcome".utf8))
    try Stream.write(client, "thanks".utf8)
    _ = shutdown(client, Int32(SHUT_WR))
    let answer = await offMain { [end = guest.end] in [Pieces.receive(end), Pieces.receive(end)] }
    XCTAssertEqual(answer, [Array("thanks".utf8), []])
    try Pieces.send([], guest.end)
    let ends = await offMain { [end = guest.end] in [try? Stream.read(client, 1), try? Stream.read(end, 1)] }
    XCTAssertEqual(ends, [[], []])
    close(client)
    close(guest.end)
    let calls = await guest.machine.calls
    XCTAssertEqual(calls, ["connect \(publishPort)"])
  }

  func testWhoAsksForAServiceThatIsNotThereGetsAReset() async throws {
    let guest = try await Guest()
    let forward = try freeForward(.tcp)
    let ports = try PublishedPorts(machine: guest.machine, [forward])
    defer { ports.close() }
    let client = try connect(forward)
    try Stream.write(guest.end, "NO connection refused\n".utf8)
    let failure = await offMain { Result { try Stream.read(client, 1) } }
    XCTAssertThrowsError(try failure.get()) { XCTAssertTrue("\($0)".contains("reset"), "\($0)") }
    close(client)
    close(guest.end)
  }

  func testDatagramsGoToTheGuestAndBackToWhoeverSentThem() async throws {
    let guest = try await Guest()
    let forward = try freeForward(.udp)
    let ports = try PublishedPorts(machine: guest.machine, [forward])
    defer { ports.close() }
    let client = try connect(forward)
    try Stream.write(client, "ab".utf8)
    try Stream.write(guest.end, "OK\n".utf8)
    let request = await offMain { [end = guest.end] in try? Stream.line(end, limit: 32) }
    XCTAssertEqual(request, "udp \(forward.guestPort)")
    let first = await offMain { [end = guest.end] in Pieces.receive(end) }
    XCTAssertEqual(first, Array("ab".utf8))
    try Stream.write(guest.end, [0, 3] + Array("xyz".utf8))
    let answer = await offMain { try? Stream.read(client, 100) }
    XCTAssertEqual(answer, Array("xyz".utf8))
    close(client)
    close(guest.end)
  }

  func testAPortThatIsTakenIsNamedAndNoneIsKept() async throws {
    let guest = try await Guest()
    let (free, taken) = (try freeForward(.tcp), try freeForward(.tcp))
    let holder = try HostSocket.bound(taken)
    XCTAssertThrowsError(try PublishedPorts(machine: guest.machine, [free, taken])) {
      XCTAssertEqual(($0 as? Failure)?.code, .portTaken)
      XCTAssertTrue("\($0)".contains("\(taken.hostPort)/tcp of 127.0.0.1"), "\($0)")
    }
    close(holder)
    close(try HostSocket.bound(free))
    close(guest.end)
  }

  func testWhyAPortCannotBeListenedAtIsTold() {
    let forward = Forward(transport: .tcp, address: "127.0.0.1", hostPort: 80, guestPort: 80)
    let denied = HostSocket.refusal(forward, EACCES)
    XCTAssertEqual(denied.message, "port 80/tcp of 127.0.0.1 may not be listened at by this user")
    XCTAssertEqual(denied.hint, "publish a port of 1024 or above")
    XCTAssertEqual(HostSocket.refusal(forward, EADDRNOTAVAIL).code, .usage)
    XCTAssertTrue(HostSocket.refusal(forward, ENOBUFS).message.contains("No buffer space"))
  }
}

/// A guest whose agent is the test.
private final class Guest {
  let machine: FakeMachine
  let end: Int32

  init() async throws {
    var ends: [Int32] = [0, 0]
    XCTAssertEqual(socketpair(AF_UNIX, streamType, 0, &ends), 0)
    end = ends[1]
    machine = await MainActor.run { [descriptor = ends[0]] in
      let machine = FakeMachine()
      machine.guestDescriptor = descriptor
      return machine
    }
  }
}

private func freeForward(_ transport: Forward.Transport) throws -> Forward {
  for _ in 0..<100 {
    let forward = Forward(
      transport: transport, address: "127.0.0.1", hostPort: .random(in: 20_000...60_000), guestPort: 80)
    guard let socket = try? HostSocket.bound(forward) else { continue }
    close(socket)
    return forward
  }
  throw Failure(.system, "no port is free")
}

private func connect(_ forward: Forward) throws -> Int32 {
  let client = socket(AF_INET, forward.transport == .tcp ? streamType : datagramType, 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = forward.hostPort.bigEndian
  address.sin_addr.s_addr = inet_addr("127.0.0.1")
  let result = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      systemConnect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard result == 0 else { throw systemFailure("connect") }
  return client
}

private let systemConnect = connect(_:_:_:)
