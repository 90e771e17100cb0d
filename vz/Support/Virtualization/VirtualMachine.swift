import Foundation

public protocol VZVirtualMachineDelegate: AnyObject {
  func guestDidStop(_ virtualMachine: VZVirtualMachine)
  func virtualMachine(_ virtualMachine: VZVirtualMachine, didStopWithError error: any Error)
}

/// As Apple's: every call and every callback on its queue, and what is refused in which state.
public class VZVirtualMachine: @unchecked Sendable {
  public enum State: Int {
    case stopped, running, paused, error, starting, pausing, resuming, stopping, saving, restoring
  }

  public typealias Finish = (Result<Void, any Error>) -> Void

  public static let isSupported = true
  public weak var delegate: (any VZVirtualMachineDelegate)?
  public private(set) var state = State.stopped
  public private(set) var socketDevices: [VZSocketDevice] = []

  private let configuration: VZVirtualMachineConfiguration
  private let queue: DispatchQueue
  private var emulator: Emulator?

  public init(configuration: VZVirtualMachineConfiguration, queue: DispatchQueue) {
    self.configuration = configuration
    self.queue = queue
  }

  public func start(completionHandler: @escaping Finish) {
    launch(completionHandler)
  }

  public func pause(completionHandler: @escaping Finish) {
    change(from: .running, through: .pausing, to: .paused, "stop", completionHandler)
  }

  public func resume(completionHandler: @escaping Finish) {
    change(from: .paused, through: .resuming, to: .running, "cont", completionHandler)
  }

  public func stop(completionHandler: @escaping ((any Error)?) -> Void) {
    guard state == .running || state == .paused else { return completionHandler(wrong(.stopping)) }
    state = .stopping
    emulator?.kill()
    queue.async {
      self.state = .stopped
      completionHandler(nil)
    }
  }

  public func requestStop() throws {
    guard state == .running else { throw wrong(.stopping) }
    try emulator?.ask("system_powerdown")
  }

  public func saveMachineStateTo(url: URL, completionHandler: @escaping ((any Error)?) -> Void) {
    guard state == .paused else { return completionHandler(wrong(.saving)) }
    do {
      try configuration.validateSaveRestoreSupport()
    } catch {
      return completionHandler(error)
    }
    state = .saving
    work({ try self.emulator?.save(to: url) }) { error in
      self.state = .paused
      completionHandler(error)
    }
  }

  public func restoreMachineStateFrom(url: URL, completionHandler: @escaping ((any Error)?) -> Void) {
    guard state == .stopped else { return completionHandler(wrong(.restoring)) }
    guard SavedState.fits(configuration, url) else {
      return completionHandler(VZError(.restore, "The saved state cannot be restored: invalid argument."))
    }
    launch(from: url, through: .restoring, to: .paused) { result in
      if case .failure(let error) = result { completionHandler(error) } else { completionHandler(nil) }
    }
  }

  private func launch(
    from saved: URL? = nil, through: State = .starting, to reached: State = .running, _ finish: @escaping Finish
  ) {
    guard state == .stopped else { return finish(.failure(wrong(reached))) }
    state = through
    let emulator = Emulator(configuration)
    emulator.onEnd = { status in self.queue.async { self.hasEnded(status) } }
    self.emulator = emulator
    work({ try emulator.start(from: saved) }) { error in
      self.state = error == nil ? reached : .error
      let hasSocket = error == nil && !self.configuration.socketDevices.isEmpty
      self.socketDevices = hasSocket ? [VZVirtioSocketDevice(emulator.vsockPath, self.queue)] : []
      finish(error.map { .failure($0) } ?? .success(()))
    }
  }

  private func change(
    from: State, through: State, to: State, _ command: String, _ finish: @escaping Finish
  ) {
    guard state == from else { return finish(.failure(wrong(to))) }
    state = through
    work({ try self.emulator?.ask(command) }) { error in
      self.state = error == nil ? to : .error
      finish(error.map { .failure($0) } ?? .success(()))
    }
  }

  /// Off the queue, and back on it.
  private func work(_ body: @escaping () throws -> Void, _ finish: @escaping ((any Error)?) -> Void) {
    DispatchQueue.global().async {
      let result = Result { try body() }
      self.queue.async {
        if case .failure(let error) = result { finish(error) } else { finish(nil) }
      }
    }
  }

  private func hasEnded(_ status: Int32) {
    guard state != .stopping, state != .stopped, state != .starting, state != .restoring else { return }
    state = status == 0 ? .stopped : .error
    if status == 0 {
      delegate?.guestDidStop(self)
    } else {
      let error = VZError(.internalError, "The virtual machine stopped unexpectedly.")
      delegate?.virtualMachine(self, didStopWithError: error)
    }
  }

  private func wrong(_ wanted: State) -> VZError {
    VZError(
      .invalidVirtualMachineStateTransition,
      "Transition from state “\(state)” to state “\(wanted)” is invalid.")
  }
}
