import Foundation

@testable import EmberVZ

/// A framework whose machines do what the test says.
@MainActor
final class FakeFramework: Framework {
  var machine = FakeMachine()
  var refusal: Failure?
  func limits() throws -> Limits { Limits(cpus: 1...4, memoryMiB: 16...1024) }
  func makeMachine(_ spec: MachineSpec) throws -> any Machine {
    if let refusal { throw refusal }
    return machine
  }
}

@MainActor
final class FakeMachine: Machine {
  var state = MachineState.stopped
  var onEnd: ((Failure?) -> Void)?
  var calls: [String] = []
  var startFailure: Failure?
  /// In which it refuses to be stopped, so many times: as a machine does between two states.
  var refusedStops = 0
  var saveFailure: Failure?
  /// Whether the guest powers itself off when the button is pressed.
  var heedsButton = true
  /// What a connection to the guest gets.
  var guestDescriptor: Int32?

  func start() async throws {
    calls.append("start")
    if let startFailure { throw startFailure }
    state = .running
  }
  func pause() async throws {
    calls.append("pause")
    guard state == .running else { throw Failure(.refused, "it is \(state.rawValue)") }
    state = .paused
  }
  func resume() async throws {
    calls.append("resume")
    state = .running
  }
  func stop() async throws {
    calls.append("stop")
    guard state == .running || state == .paused, refusedStops == 0 else {
      refusedStops -= 1
      throw Failure(.refused, "it is \(state.rawValue)")
    }
    end(nil)
  }
  func requestStop() throws {
    calls.append("requestStop")
    if heedsButton { end(nil) }
  }
  func connect(port: UInt32) async throws -> Int32 {
    calls.append("connect \(port)")
    guard let guestDescriptor else { throw Failure(.refused, "nobody listens") }
    return guestDescriptor
  }
  func save(to path: String) async throws {
    calls.append("save")
    try Data("state".utf8).write(to: URL(fileURLWithPath: path))
    if let saveFailure { throw saveFailure }
  }
  func restore(from path: String) async throws {
    calls.append("restore \(path)")
    state = .paused
  }
  func end(_ failure: Failure?) {
    state = .stopped
    onEnd?(failure)
  }
}
