import XCTest

@testable import EmberVZ

final class SocketTests: XCTestCase {
  func testTheGuestsPortIsReachedByFirecrackersProtocol() async throws {
    let path = try makeFolder(self).appendingPathComponent("vsock").path
    var ends: [Int32] = [0, 0]
    XCTAssertEqual(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends), 0)
    let machine = await FakeMachine()
    await MainActor.run { [end = ends[0]] in machine.guestDescriptor = end }
    let ports = try GuestPorts(machine: machine, path: path)
    defer { ports.close() }
    let host = try UnixSocket.connect(to: path)
    try Stream.write(host, "CONNECT 1022\nhello".utf8)
    let answer = await offMain { try? Stream.line(host, limit: 32) }
    XCTAssertEqual(answer, "OK 1022")
    let (guest, text) = (ends[1], await offMain { [end = ends[1]] in try? Stream.read(end, 100) })
    XCTAssertEqual(text, Array("hello".utf8))
    close(guest)
    let end = await offMain { try? Stream.read(host, 1) }
    XCTAssertEqual(end, [])
    close(host)
  }

  func testWhoeverSaysSomethingElseOrAsksForAPortOfNobodyIsHungUpOn() async throws {
    let path = try makeFolder(self).appendingPathComponent("vsock").path
    let machine = await FakeMachine()
    let ports = try GuestPorts(machine: machine, path: path)
    defer { ports.close() }
    for text in ["GET / HTTP/1.1\n", "CONNECT x\n", "CONNECT 1\n", String(repeating: "x", count: 100)] {
      let host = try UnixSocket.connect(to: path)
      try Stream.write(host, text.utf8)
      let rest = await offMain { (try? Stream.read(host, 1)) ?? [] }
      XCTAssertEqual(rest, [], text)
      close(host)
    }
  }

  func testASocketThatIsAnsweredAtIsNotTakenAndAStaleOneIs() throws {
    let path = try makeFolder(self).appendingPathComponent("s").path
    let first = try UnixSocket.listen(at: path)
    XCTAssertThrowsError(try UnixSocket.listen(at: path)) { XCTAssertEqual(($0 as? Failure)?.code, .busy) }
    close(first)
    close(try UnixSocket.listen(at: path))
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    XCTAssertEqual(mode, 0o600)
    XCTAssertThrowsError(try UnixSocket.listen(at: "/tmp/" + String(repeating: "x", count: 200)))
  }

  func testCommandsAreAnsweredEachWithALine() async throws {
    let path = try makeFolder(self).appendingPathComponent("control").path
    let server = try ControlServer(path: path) { command in
      guard command.do == "status" else { throw Failure(.usage, "there is no command '\(command.do)'") }
      return Report(state: "running")
    }
    defer { server.close() }
    let client = try UnixSocket.connect(to: path)
    try Stream.write(client, "{\"do\":\"status\"}\n{\"do\":\"x\"}\nnonsense\n".utf8)
    let lines = await offMain { (0..<3).map { _ in (try? Stream.line(client, limit: 999)) ?? "" } }
    XCTAssertEqual(lines[0], "{\"state\":\"running\"}")
    XCTAssertTrue(lines[1].contains("there is no command 'x'"))
    XCTAssertTrue(lines[2].contains("\"code\":\"usage\""))
    close(client)
  }
}

/// What blocks must not keep a thread of the tasks' own.
func offMain<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread { continuation.resume(returning: body()) }
  }
}
