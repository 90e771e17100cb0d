/// What this host lets one virtual machine have.
public struct Limits: Equatable, Sendable {
  public let cpus: ClosedRange<Int>
  public let memoryMiB: ClosedRange<Int>

  public init(cpus: ClosedRange<Int>, memoryMiB: ClosedRange<Int>) {
    self.cpus = cpus
    self.memoryMiB = memoryMiB
  }
}

public enum MachineState: String, Sendable {
  case starting, running, pausing, paused, resuming, stopping, stopped, failed, saving, restoring
}

/// One virtual machine. It lives in this process: when that ends, its power is gone.
@MainActor
public protocol Machine: AnyObject {
  var state: MachineState { get }

  /// Called once when the machine has ended: by itself, by `stop`, or with an error.
  var onEnd: ((Failure?) -> Void)? { get set }

  func start() async throws
  func pause() async throws
  func resume() async throws

  /// Takes the power away.
  func stop() async throws

  /// Presses the power button; what the guest makes of it is its own affair.
  func requestStop() throws

  /// A connection to a port of the guest's vsock: a descriptor that the caller owns.
  func connect(port: UInt32) async throws -> Int32

  /// Of a paused machine. Apple silicon and macOS 14 only.
  func save(to path: String) async throws

  /// In place of `start`, from what a machine of the same description has saved on this host. It is paused then.
  func restore(from path: String) async throws
}

/// Apple's framework, or what stands in for it in a test.
@MainActor
public protocol Framework {
  /// Throws `unsupported` where no machine can run, and `not-entitled`.
  func limits() throws -> Limits

  /// A machine that is validated and not started. Throws when the framework refuses the description.
  func makeMachine(_ spec: MachineSpec) throws -> any Machine
}
