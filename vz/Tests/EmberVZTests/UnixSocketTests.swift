import XCTest

@testable import EmberVZ

final class UnixSocketTests: XCTestCase {
  func testASocketOfDatagramsThatReachesNobodyLeavesNoName() throws {
    let folder = try makeFolder(self)
    let network = folder.appendingPathComponent("net").path
    XCTAssertThrowsError(try UnixSocket.datagrams(from: ownFramesName(network), to: network)) {
      XCTAssertTrue("\($0)".contains(network), "\($0)")
    }
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), [])
  }

  func testNamesOfProcessesThatAreGoneAreFoundAndNoOthers() throws {
    let folder = try makeFolder(self)
    let network = folder.appendingPathComponent("net").path
    let wire = try UnixSocket.datagrams(from: network + ".1", to: network + ".1")
    defer { close(wire) }
    close(try UnixSocket.datagrams(from: network + ".2", to: network + ".2"))
    close(try UnixSocket.datagrams(from: network + ".x", to: network + ".x"))
    try Data("a file".utf8).write(to: folder.appendingPathComponent("net.3"))
    let abandoned = abandonedFramesNames(network).map { URL(fileURLWithPath: $0).lastPathComponent }
    XCTAssertEqual(abandoned, ["net.2"])
  }

  func testAListenerOutlivesAMomentWithoutDescriptors() async throws {
    let path = try makeFolder(self).appendingPathComponent("s").path
    let listener = try UnixSocket.listen(at: path)
    let client = try UnixSocket.connect(to: path)
    var taken: [Int32] = []
    while true {
      let descriptor = dup(listener)
      if descriptor < 0 { break }
      taken.append(descriptor)
    }
    XCTAssertEqual(errno, EMFILE)
    Thread.detachNewThread { [taken] in
      usleep(100_000)
      for descriptor in taken { close(descriptor) }
    }
    let accepted = await offMain { UnixSocket.accept(listener) }
    close(try XCTUnwrap(accepted))
    close(client)
    close(listener)
  }

  func testAnAnswerIsNotWaitedForLongerThanUntilItsDeadline() async throws {
    var ends: [Int32] = [0, 0]
    XCTAssertEqual(socketpair(AF_UNIX, streamType, 0, &ends), 0)
    try Stream.write(ends[1], "begun, but not".utf8)
    let failure = await offMain { [end = ends[0]] in Result { try Stream.line(end, limit: 100, by: Date() + 0.05) } }
    XCTAssertThrowsError(try failure.get()) { XCTAssertEqual($0 as? Failure, Failure(.refused, "no answer in time")) }
    for end in ends { close(end) }
  }
}
