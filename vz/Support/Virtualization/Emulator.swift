import Foundation

/// QEMU with the devices of one description, and beside it the device for its vsock.
final class Emulator: @unchecked Sendable {
  var onEnd: ((Int32) -> Void)?
  let vsockPath: String

  private let configuration: VZVirtualMachineConfiguration
  private let folder: URL
  private let qemu = Process()
  private let vsock = Process()
  private let guardian = Process()
  private let lifeline = Pipe()
  private var monitor: UnixStream?
  private let lock = NSLock()
  private var relays: [FrameRelay] = []
  private var hasVsock: Bool { !configuration.socketDevices.isEmpty }

  init(_ configuration: VZVirtualMachineConfiguration) {
    self.configuration = configuration
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("vz-\(UUID().uuidString.prefix(8))")
    vsockPath = folder.appendingPathComponent("vsock").path
  }

  /// From a saved state, the machine is paused.
  func start(from saved: URL? = nil) throws {
    try startGuardian()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    do {
      if hasVsock { try startVsock() }
      relays = try configuration.networkDevices.enumerated().compactMap(relay)
      try startQemu(saved.map(incoming) ?? [])
      try openMonitor()
      if saved != nil { try awaitStatus("query-status", "paused", failed: "shutdown") }
    } catch {
      kill()
      cleanUp()
      throw error
    }
  }

  /// Post-condition: the file holds the state of the machine, which is paused and stays so.
  func save(to file: URL) throws {
    try Data(SavedState.heading(configuration).utf8).write(to: file)
    try ask("migrate", ["uri": "exec:cat >> \(quoted(file)) && : > \(quoted(folder.appendingPathComponent("saved")))"])
    try awaitStatus("query-migrate", "completed", failed: "failed")
    try waitFor("saved")  // QEMU has said all a moment before it is written
    try FileManager.default.removeItem(atPath: path("saved"))
  }

  private func incoming(_ file: URL) -> [String] {
    let offset = SavedState.heading(configuration).utf8.count + 1
    return ["-S", "-incoming", "exec:tail -c +\(offset) \(quoted(file))"]
  }

  private func awaitStatus(_ command: String, _ wanted: String, failed: String) throws {
    while true {
      let answer = try ask(command)
      if answer.contains("\"status\": \"\(wanted)\"") { return }
      if answer.contains("\"status\": \"\(failed)\"") { throw VZError(.internalError, answer) }
      usleep(20_000)
    }
  }

  /// For a shell, which QEMU gives such commands to.
  private func quoted(_ file: URL) -> String { "'" + file.path.replacingOccurrences(of: "'", with: "'\\''") + "'" }

  private func startQemu(_ more: [String]) throws {
    qemu.executableURL = URL(fileURLWithPath: "/usr/bin/qemu-system-x86_64")
    qemu.arguments = arguments() + more
    qemu.standardInput = FileHandle.nullDevice
    qemu.terminationHandler = { process in
      self.cleanUp()
      self.onEnd?(process.terminationReason == .exit ? process.terminationStatus : -1)
    }
    try qemu.run()
  }

  /// A machine lives in the process that made it: whatever ends that, the power is gone. A shell reads from us until then,
  /// and ends whoever has the name of our folder in its arguments.
  private func startGuardian() throws {
    guardian.executableURL = URL(fileURLWithPath: "/bin/sh")
    // Twice: a child that is just being made has our own arguments still.
    let end = #"pkill -9 -f "$FOLDER"; rm -rf "$FOLDER""#
    guardian.arguments = ["-c", "read _; \(end); sleep 0.1; \(end)"]
    // Not in its arguments, or it would end itself. Nothing else: it outlives us, and must not pass for one of ours.
    guardian.environment = ["PATH": "/usr/bin:/bin", "FOLDER": folder.path]
    guardian.currentDirectoryURL = URL(fileURLWithPath: "/")
    guardian.standardInput = lifeline
    try guardian.run()
  }

  private func cleanUp() {
    for relay in relays { relay.close() }
    if vsock.isRunning { Foundation.kill(vsock.processIdentifier, SIGKILL) }  // it stays at SIGTERM
    try? FileManager.default.removeItem(at: folder)  // it may be gone
  }

  func kill() {
    if qemu.isRunning { Foundation.kill(qemu.processIdentifier, SIGKILL) }
  }

  /// One command of QEMU's monitor protocol, to its answer.
  @discardableResult
  func ask(_ command: String, _ arguments: [String: String] = [:]) throws -> String {
    lock.lock()
    defer { lock.unlock() }
    let request = try JSONSerialization.data(withJSONObject: ["execute": command, "arguments": arguments])
    try monitor?.write(String(decoding: request, as: UTF8.self) + "\n")
    while let line = try monitor?.line() {
      if line.contains("\"return\"") { return line }
      if line.contains("\"error\"") { throw VZError(.internalError, line) }
    }
    throw VZError(.internalError, "The virtual machine has gone.")
  }

  private func startVsock() throws {
    guard let program = ProcessInfo.processInfo.environment["VZ_VSOCK_DEVICE"] else {
      throw VZError(.internalError, "VZ_VSOCK_DEVICE does not name vhost-device-vsock")
    }
    vsock.executableURL = URL(fileURLWithPath: program)
    vsock.arguments = ["--guest-cid", "3", "--socket", path("vhost"), "--uds-path", vsockPath]
    vsock.standardInput = FileHandle.nullDevice
    vsock.standardOutput = FileHandle.nullDevice
    vsock.standardError = FileHandle.nullDevice
    try vsock.run()
    try waitFor("vhost")
  }

  private func openMonitor() throws {
    try waitFor("monitor")
    // It is there a moment before it is listened at.
    for _ in 0..<100 where monitor == nil && qemu.isRunning {
      monitor = try? UnixStream(connectingTo: path("monitor"))
      if monitor == nil { usleep(10_000) }
    }
    _ = try monitor?.line()  // its greeting
    try ask("qmp_capabilities")
  }

  private func waitFor(_ name: String) throws {
    for _ in 0..<500 where !FileManager.default.fileExists(atPath: path(name)) {
      guard name == "vhost" ? vsock.isRunning : qemu.isRunning else { break }
      usleep(10_000)
    }
    guard FileManager.default.fileExists(atPath: path(name)) else {
      throw VZError(.internalError, "The virtual machine failed to start.")
    }
  }

  private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  private func arguments() -> [String] {
    let memory = "\(configuration.memorySize >> 20)M"
    var all = [
      "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
      "-machine", "q35,sata=off,smbus=off,vmport=off,memory-backend=ram",
      "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "\(configuration.cpuCount)",
      "-m", memory, "-object", "memory-backend-memfd,id=ram,size=\(memory),share=on",
      "-qmp", "unix:\(path("monitor")),server=on,wait=off",
      "-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0", "-device", "virtio-balloon-pci",
    ]
    if hasVsock {
      all += ["-chardev", "socket,id=vsock,path=\(path("vhost"))", "-device", "vhost-user-vsock-pci,chardev=vsock"]
    }
    if let loader = configuration.bootLoader as? VZLinuxBootLoader {
      all += ["-kernel", loader.kernelURL.path, "-append", loader.commandLine]
      if let initrd = loader.initialRamdiskURL { all += ["-initrd", initrd.path] }
    }
    all += configuration.serialPorts.compactMap(\.attachment).flatMap { port in
      ["-device", "virtio-serial-pci", "-chardev", "file,id=con,append=on,path=\(value(port.url))"]
        + ["-device", "virtconsole,chardev=con"]
        // Not of Apple's machine: for kernels of the tests that know no other way to say something.
        + ["-chardev", "file,id=serial,append=on,path=\(value(port.url))", "-serial", "chardev:serial"]
    }
    all += configuration.storageDevices.enumerated().flatMap(disk)
    all += configuration.networkDevices.enumerated().flatMap(network)
    return all
  }

  /// In QEMU's options a comma ends a value, and two are one.
  private func value(_ url: URL) -> String { url.path.replacingOccurrences(of: ",", with: ",,") }

  private func disk(_ index: Int, _ device: VZStorageDeviceConfiguration) -> [String] {
    guard let attachment = (device as? VZVirtioBlockDeviceConfiguration)?.attachment else { return [] }
    let file = "if=none,id=disk\(index),format=raw,file=\(value(attachment.url)),file.locking=off"
    return [
      "-drive", file + (attachment.isReadOnly ? ",readonly=on" : ""),
      "-device", "virtio-blk-pci,drive=disk\(index)",
    ]
  }

  private func network(_ index: Int, _ device: VZNetworkDeviceConfiguration) -> [String] {
    guard let nic = device as? VZVirtioNetworkDeviceConfiguration else { return [] }
    let card = ["-device", "virtio-net-pci,netdev=net\(index),romfile=,mac=\(nic.macAddress.string)"]
    if nic.attachment is VZFileHandleNetworkDeviceAttachment {
      let (local, remote) = (path("net\(index)"), path("peer\(index)"))
      let ends = "local.type=unix,local.path=\(local),remote.type=unix,remote.path=\(remote)"
      return ["-netdev", "dgram,id=net\(index),\(ends)"] + card
    }
    guard nic.attachment is VZNATNetworkDeviceAttachment else { return [] }
    return ["-netdev", "user,id=net\(index)"] + card
  }

  private func relay(_ index: Int, _ device: VZNetworkDeviceConfiguration) throws -> FrameRelay? {
    let attachment = (device as? VZVirtioNetworkDeviceConfiguration)?.attachment
    guard let frames = attachment as? VZFileHandleNetworkDeviceAttachment else { return nil }
    return try FrameRelay(frames.fileHandle.fileDescriptor, own: path("peer\(index)"), qemu: path("net\(index)"))
  }
}
