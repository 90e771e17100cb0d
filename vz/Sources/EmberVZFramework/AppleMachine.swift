import EmberVZ
import Foundation
import Virtualization

/// One machine of Apple's framework, which wants all calls, and makes all its own, on the main queue.
@MainActor
final class AppleMachine: NSObject, Machine, VZVirtualMachineDelegate {
  let configuration: VZVirtualMachineConfiguration
  let machine: VZVirtualMachine
  var onEnd: ((Failure?) -> Void)?

  init(_ configuration: VZVirtualMachineConfiguration) {
    self.configuration = configuration
    machine = VZVirtualMachine(configuration: configuration, queue: .main)
    super.init()
    machine.delegate = self
  }

  var state: MachineState { stateOf(machine.state) }

  func start() async throws {
    try await done("the machine did not start") { self.machine.start(completionHandler: $0) }
  }

  func pause() async throws {
    try await done("the machine did not pause") { self.machine.pause(completionHandler: $0) }
  }

  func resume() async throws {
    try await done("the machine did not go on") { self.machine.resume(completionHandler: $0) }
  }

  func stop() async throws {
    try await done("the machine did not stop") { finish in
      self.machine.stop { error in finish(error.map { .failure($0) } ?? .success(())) }
    }
    onEnd?(nil)  // the delegate hears only of ends that nobody here asked for
  }

  func requestStop() throws {
    do {
      try machine.requestStop()
    } catch {
      throw translate(error, "the power button cannot be pressed")
    }
  }

  func connect(port: UInt32) async throws -> Int32 {
    guard let device = machine.socketDevices.first as? VZVirtioSocketDevice else {
      throw Failure(.refused, "the machine has no vsock")
    }
    return try await withCheckedThrowingContinuation { continuation in
      device.connect(toPort: port) { result in
        switch result {
        // The connection closes its own descriptor when it goes.
        case .success(let connection): continuation.resume(returning: dup(connection.fileDescriptor))
        case .failure(let error):
          continuation.resume(throwing: translate(error, "port \(port) of the guest was not reached"))
        }
      }
    }
  }

  nonisolated func guestDidStop(_ virtualMachine: VZVirtualMachine) {
    MainActor.assumeIsolated { onEnd?(nil) }
  }

  nonisolated func virtualMachine(_ virtualMachine: VZVirtualMachine, didStopWithError error: any Error) {
    let failure = translate(error, "the machine failed")
    MainActor.assumeIsolated { onEnd?(failure) }
  }

  func done(
    _ what: String, _ begin: (@escaping (Result<Void, any Error>) -> Void) -> Void
  ) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      begin { result in
        continuation.resume(with: result.mapError { translate($0, what) })
      }
    }
  }
}

private func stateOf(_ state: VZVirtualMachine.State) -> MachineState {
  switch state {
  case .stopped: return .stopped
  case .running: return .running
  case .paused: return .paused
  case .error: return .failed
  case .starting: return .starting
  case .pausing: return .pausing
  case .resuming: return .resuming
  case .stopping: return .stopping
  case .saving: return .saving
  case .restoring: return .restoring
  @unknown default: return .failed
  }
}
