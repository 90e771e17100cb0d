import Foundation

/// Runs one machine from its start to its end.
@MainActor
public final class Runner {
  private let framework: any Framework
  private let options: RunOptions
  /// How long a guest may take to power itself off once the button was pressed.
  private let graceSeconds: Double
  private var machine: (any Machine)?
  private var ports: GuestPorts?
  private var published: PublishedPorts?
  private var control: ControlServer?
  private var ended: CheckedContinuation<Failure?, Never>?
  private var end: Failure??

  public init(framework: any Framework, options: RunOptions, graceSeconds: Double = 5) {
    self.framework = framework
    self.options = options
    self.graceSeconds = graceSeconds
  }

  /// Returns once the machine has ended by itself or was stopped. Throws why it did not start, or failed.
  public func run() async throws {
    if let descriptor = options.readyDescriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    do {
      try await start()
      report(Report(state: machine?.state.rawValue, mac: options.spec.mac))
    } catch {
      let failure = error as? Failure ?? Failure(.system, "\(error)")
      report(Report(failure))
      closeSockets()
      throw failure
    }
    let failure = await untilEnd()
    closeSockets()
    if let failure { throw failure }
  }

  /// SIGTERM: the agent, else the power button, and the power itself once the guest's time is up.
  public func shutDown() async {
    guard let machine else { return hasEnded(nil) }  // it will not run for long
    if machine.state == .paused { try? await machine.resume() }  // a paused guest can do nothing
    if machine.state == .running {
      let deadline = Task { try? await Task.sleep(nanoseconds: UInt64(graceSeconds * 1e9)) }
      if await asked(machine) { await deadline.value }  // else there is nothing to wait for
      deadline.cancel()
    }
    await powerOff(machine)
  }

  /// Post-condition: the machine has ended. One that has not started has nothing to stop; one that is between two states, such
  /// as starting or saving, is asked again until it can be.
  private func powerOff(_ machine: any Machine) async {
    while end == nil {
      if machine.state == .stopped || machine.state == .failed { return hasEnded(nil) }
      if (try? await machine.stop()) != nil { return }
      try? await Task.sleep(nanoseconds: 20_000_000)
    }
  }

  private func asked(_ machine: any Machine) async -> Bool {
    if options.spec.vsock, await agentHears(machine) { return true }
    return (try? machine.requestStop()) != nil
  }

  /// Not waited for for ever: a guest may take the connection and say nothing.
  private func agentHears(_ machine: any Machine) async -> Bool {
    let limit = UInt64(graceSeconds / 2 * 1e9)
    return await withCheckedContinuation { continuation in
      var answer: CheckedContinuation<Bool, Never>? = continuation
      func settle(_ heard: Bool) {
        answer?.resume(returning: heard)
        answer = nil
      }
      Task { @MainActor in settle((try? await GuestService.stop(machine)) != nil) }
      Task { @MainActor in
        try? await Task.sleep(nanoseconds: limit)
        settle(false)
      }
    }
  }

  /// SIGUSR1.
  public func pause() async { try? await machine?.pause() }

  /// SIGUSR2.
  public func resume() async { try? await machine?.resume() }

  private func start() async throws {
    let spec = options.spec
    try check(spec, limits: framework.limits())
    let machine = try framework.makeMachine(spec)
    self.machine = machine
    machine.onEnd = { [weak self] failure in self?.hasEnded(failure) }
    if let path = options.control {
      control = try ControlServer(path: path) { [weak self] command in
        guard let self else { throw Failure(.refused, "the machine has ended") }
        return try await self.obey(command)
      }
    }
    if !options.forwards.isEmpty { published = try PublishedPorts(machine: machine, options.forwards) }
    if let path = options.vsock { ports = try GuestPorts(machine: machine, path: path) }
    if let saved = options.restore {
      try await machine.restore(from: saved)
      try await machine.resume()
    } else if !options.waits {
      try await machine.start()
    }
  }

  private func obey(_ command: ControlServer.Command) async throws -> Report {
    guard let machine else { throw Failure(.refused, "there is no machine yet") }
    switch command.do {
    case "status": break
    case "start": try await machine.start()
    case "restore":
      guard let path = command.path else { throw Failure(.usage, "'restore' needs a path") }
      guard machine.state == .stopped else {
        throw Failure(
          .refused, "the machine is \(machine.state.rawValue)",
          hint: "a state is restored into a machine that has not started: run it with --wait")
      }
      try await machine.restore(from: path)
    case "pause": try await machine.pause()
    case "resume": try await machine.resume()
    case "press": try machine.requestStop()
    case "stop":
      Task { await shutDown() }
    case "save":
      guard let path = command.path else { throw Failure(.usage, "'save' needs a path") }
      guard machine.state == .paused else {
        throw Failure(.refused, "the machine is \(machine.state.rawValue)", hint: "pause it first")
      }
      try await saveState(machine, to: path)
    default: throw Failure(.usage, "there is no command '\(command.do)'")
    }
    return Report(state: machine.state.rawValue, mac: options.spec.mac)
  }

  private func hasEnded(_ failure: Failure?) {
    guard end == nil else { return }
    end = .some(failure)
    ended?.resume(returning: failure)
    ended = nil
  }

  private func untilEnd() async -> Failure? {
    if let end { return end }
    return await withCheckedContinuation { ended = $0 }
  }

  private func report(_ report: Report) {
    guard let descriptor = options.readyDescriptor else { return }
    try? Stream.write(descriptor, report.line)  // whoever asked may have gone
    close(descriptor)
  }

  private func closeSockets() {
    ports?.close()
    published?.close()
    control?.close()
    if case .socket(let path) = options.spec.network { unlink(ownFramesName(path)) }
  }
}
