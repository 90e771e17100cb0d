import XCTest

@testable import EmberVZ

@MainActor
final class RunnerTests: XCTestCase {
  private var folder = URL(fileURLWithPath: "/")
  private var framework = FakeFramework()
  private var options = RunOptions()
  private let ready = Pipe()

  override func setUp() async throws {
    folder = try makeFolder(self)
    framework = FakeFramework()
    try kernelHead(hostArchitecture).write(to: folder.appendingPathComponent("kernel"))
    options.spec.kernel = folder.appendingPathComponent("kernel").path
    options.spec.cpus = 1
    options.spec.memoryMiB = 64
    options.spec.mac = "52:54:00:12:34:56"
    options.control = folder.appendingPathComponent("control").path
    options.vsock = folder.appendingPathComponent("vsock").path
    options.readyDescriptor = dup(ready.fileHandleForWriting.fileDescriptor)
    try ready.fileHandleForWriting.close()
  }

  private func reported() throws -> Report {
    try JSONDecoder().decode(Report.self, from: ready.fileHandleForReading.readDataToEndOfFile())
  }

  /// Runs until the body has ended the machine.
  private func running(_ body: (Runner) async throws -> Void) async throws {
    let runner = Runner(framework: framework, options: options, graceSeconds: 0.05)
    let ended = Task { try await runner.run() }
    while framework.machine.state != .running { await Task.yield() }
    try await body(runner)
    try await ended.value
  }

  func testAMachineThatRunsIsReportedAndItsSocketsGoWithIt() async throws {
    try await running { _ in
      for path in [options.control, options.vsock] {
        XCTAssertTrue(FileManager.default.fileExists(atPath: path ?? ""))
      }
      framework.machine.end(nil)
    }
    XCTAssertEqual(try reported(), Report(state: "running", mac: "52:54:00:12:34:56"))
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    XCTAssertEqual(left, ["kernel"])
  }

  func testAGuestThatHeedsTheButtonIsNotPoweredOff() async throws {
    try await running { await $0.shutDown() }
    XCTAssertEqual(framework.machine.calls, ["start", "requestStop"])
  }

  func testAGuestThatDoesNotIsPoweredOffWhenItsTimeIsUp() async throws {
    framework.machine.heedsButton = false
    try await running { await $0.shutDown() }
    XCTAssertEqual(framework.machine.calls, ["start", "requestStop", "stop"])
  }

  func testAPausedGuestGoesOnBeforeItIsAsked() async throws {
    try await running {
      await $0.pause()
      await $0.shutDown()
    }
    XCTAssertEqual(framework.machine.calls, ["start", "pause", "resume", "requestStop"])
  }

  func testASavedStateTakesTheBootsPlace() async throws {
    options.restore = "/saved"
    try await running { await $0.shutDown() }
    XCTAssertEqual(framework.machine.calls, ["restore /saved", "resume", "requestStop"])
  }

  func testAFailureOfTheMachineIsTheProcesssOwn() async throws {
    let failure = Failure(.system, "the machine failed: out of something")
    do {
      try await running { _ in framework.machine.end(failure) }
      XCTFail("it did not fail")
    } catch {
      XCTAssertEqual(error as? Failure, failure)
    }
  }

  func testWhyItDidNotStartIsReported() async throws {
    let cases: [(Failure.Code, () -> Void)] = [
      (.limitExceeded, { self.options.spec.cpus = 5 }),
      (.limitExceeded, { self.options.spec.memoryMiB = 8 }),
      (.notFound, { self.options.spec.disks = [.init(path: "/nowhere", readOnly: false)] }),
      (.notFound, { self.options.spec.shares = [.init(tag: "t", folder: "/nowhere")] }),
      (.notEntitled, { self.framework.refusal = Failure(.notEntitled, "no") }),
      (.system, { self.framework.machine.startFailure = Failure(.system, "no") }),
    ]
    let untouched = options
    for (code, spoil) in cases {
      let pipe = Pipe()
      options = untouched
      options.readyDescriptor = dup(pipe.fileHandleForWriting.fileDescriptor)
      framework = FakeFramework()
      spoil()
      do {
        try await Runner(framework: framework, options: options).run()
        XCTFail("it started")
      } catch {
        XCTAssertEqual((error as? Failure)?.code, code)
      }
      try pipe.fileHandleForWriting.close()
      let line = pipe.fileHandleForReading.readDataToEndOfFile()
      XCTAssertEqual(try JSONDecoder().decode(Report.self, from: line).code, code.rawValue)
    }
  }

  func testTheAgentIsAskedBeforeTheButtonIsPressed() async throws {
    var ends: [Int32] = [0, 0]
    XCTAssertEqual(socketpair(AF_UNIX, streamType, 0, &ends), 0)
    framework.machine.guestDescriptor = ends[0]
    options.spec.vsock = true
    let agent = Task { [end = ends[1]] in
      let request = await offMain { try? Stream.line(end, limit: 32) }
      try Stream.write(end, "OK\n".utf8)
      await MainActor.run { self.framework.machine.end(nil) }
      return request
    }
    try await running { await $0.shutDown() }
    let request = try await agent.value
    XCTAssertEqual(request, "stop")
    XCTAssertEqual(framework.machine.calls, ["start", "connect \(publishPort)"])
    close(ends[1])
  }
}
