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

  init(_ configuration: VZVirtualMachineConfiguration) {
    self.configuration = configuration
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("vz-\(UUID().uuidString.prefix(8))")
    vsockPath = folder.appendingPathComponent("vsock").path
  }

  func start() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    try startVsock()
    qemu.executableURL = URL(fileURLWithPath: "/usr/bin/qemu-system-x86_64")
    qemu.arguments = arguments()
    qemu.standardInput = FileHandle.nullDevice
    qemu.terminationHandler = { [weak self] process in
      self?.endVsock()
      if let folder = self?.folder { try? FileManager.default.removeItem(at: folder) }
      self?.onEnd?(process.terminationReason == .exit ? process.terminationStatus : -1)
    }
    try qemu.run()
    try watchOverChildren()
    try openMonitor()
  }

  /// A machine lives in the process that made it: whatever ends that, the power is gone. A shell reads from us until then.
  private func watchOverChildren() throws {
    guardian.executableURL = URL(fileURLWithPath: "/bin/sh")
    let children = [qemu, vsock].map { "\($0.processIdentifier)" }.joined(separator: " ")
    guardian.arguments = ["-c", "read _; kill -9 \(children)"]
    guardian.standardInput = lifeline
    guardian.standardError = FileHandle.nullDevice  // they are gone already, mostly
    try guardian.run()
  }

  private func endVsock() {
    Foundation.kill(vsock.processIdentifier, SIGKILL)  // it stays at SIGTERM
  }

  func kill() {
    if qemu.isRunning { Foundation.kill(qemu.processIdentifier, SIGKILL) }
  }

  /// One command of QEMU's monitor protocol, to its answer.
  func ask(_ command: String, _ arguments: [String: String] = [:]) throws {
    lock.lock()
    defer { lock.unlock() }
    let request = try JSONSerialization.data(withJSONObject: ["execute": command, "arguments": arguments])
    try monitor?.write(String(decoding: request, as: UTF8.self) + "\n")
    while let line = try monitor?.line() {
      if line.contains("\"return\"") { return }
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
    monitor = try UnixStream(connectingTo: path("monitor"))
    _ = try monitor?.line()  // its greeting
    try ask("qmp_capabilities")
  }

  private func waitFor(_ name: String) throws {
    for _ in 0..<500 where !FileManager.default.fileExists(atPath: path(name)) { usleep(10_000) }
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
      "-chardev", "socket,id=vsock,path=\(path("vhost"))",
      "-device", "vhost-user-vsock-pci,chardev=vsock",
      "-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0", "-device", "virtio-balloon-pci",
    ]
    if let loader = configuration.bootLoader as? VZLinuxBootLoader {
      all += ["-kernel", loader.kernelURL.path, "-append", loader.commandLine]
      if let initrd = loader.initialRamdiskURL { all += ["-initrd", initrd.path] }
    }
    all += configuration.serialPorts.compactMap(\.attachment).flatMap { port in
      ["-device", "virtio-serial-pci", "-chardev", "file,id=con,append=on,path=\(port.url.path)"]
        + ["-device", "virtconsole,chardev=con"]
    }
    all += configuration.storageDevices.enumerated().flatMap(disk)
    all += configuration.networkDevices.enumerated().flatMap(network)
    return all
  }

  private func disk(_ index: Int, _ device: VZStorageDeviceConfiguration) -> [String] {
    guard let attachment = (device as? VZVirtioBlockDeviceConfiguration)?.attachment else { return [] }
    let file = "if=none,id=disk\(index),format=raw,file=\(attachment.url.path),file.locking=off"
    return [
      "-drive", file + (attachment.isReadOnly ? ",readonly=on" : ""),
      "-device", "virtio-blk-pci,drive=disk\(index)",
    ]
  }

  private func network(_ index: Int, _ device: VZNetworkDeviceConfiguration) -> [String] {
    guard let nic = device as? VZVirtioNetworkDeviceConfiguration else { return [] }
    let card = ["-device", "virtio-net-pci,netdev=net\(index),romfile=,mac=\(nic.macAddress.string)"]
    guard nic.attachment is VZNATNetworkDeviceAttachment else { return [] }
    return ["-netdev", "user,id=net\(index)"] + card
  }
}
