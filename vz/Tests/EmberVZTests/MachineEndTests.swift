import XCTest

@testable import EmberVZ

/// However far a machine has come, it can be ended.
@MainActor
final class MachineEndTests: XCTestCase {
  private var framework = FakeFramework()
  private var options = RunOptions()

  override func setUp() async throws {
    let folder = try makeFolder(self)
    framework = FakeFramework()
    options.spec.kernel = folder.appendingPathComponent("kernel").path
    try kernelHead(hostArchitecture).write(to: folder.appendingPathComponent("kernel"))
    options.spec.cpus = 1
    options.spec.memoryMiB = 64
    options.control = folder.appendingPathComponent("control").path
  }

  private func makeRunner() -> Runner { Runner(framework: framework, options: options, graceSeconds: 0.05) }

  private func untilItListens() async throws {
    while !FileManager.default.fileExists(atPath: options.control ?? "") { await Task.yield() }
  }

  func testOneThatWaitsForItsOrdersEndsWithoutAStart() async throws {
    options.waits = true
    let runner = makeRunner()
    let ended = Task { try await runner.run() }
    try await untilItListens()
    await runner.shutDown()
    try await ended.value
    XCTAssertEqual(framework.machine.calls, [])
    XCTAssertFalse(FileManager.default.fileExists(atPath: options.control ?? ""))
  }

  func testOneWhoseStartOnCommandFailedEnds() async throws {
    options.waits = true
    let runner = makeRunner()
    let ended = Task { try await runner.run() }
    try await untilItListens()
    framework.machine.state = .failed
    await runner.shutDown()
    try await ended.value
  }

  func testOneBetweenTwoStatesIsStoppedAsSoonAsItCanBe() async throws {
    let runner = makeRunner()
    let ended = Task { try await runner.run() }
    while framework.machine.state != .running { await Task.yield() }
    framework.machine.state = .pausing
    framework.machine.refusedStops = 2
    let stopping = Task { await runner.shutDown() }
    while framework.machine.calls.count < 3 { await Task.yield() }
    framework.machine.state = .paused
    await stopping.value
    try await ended.value
    XCTAssertEqual(framework.machine.calls, ["start", "stop", "stop", "stop"])
  }

  func testOneThatIsNotThereYetEndsAsSoonAsItIs() async throws {
    let runner = makeRunner()
    await runner.shutDown()
    try await runner.run()
    XCTAssertEqual(framework.machine.calls, ["start"])
  }
}
