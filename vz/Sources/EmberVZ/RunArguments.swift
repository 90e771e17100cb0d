/// What `ember-vz run` is told besides the machine itself.
public struct RunOptions: Equatable, Sendable {
  public var spec = MachineSpec()
  /// Unix socket for the guest's vsock ports.
  public var vsock: String?
  /// Unix socket for commands to the machine.
  public var control: String?
  /// Where one line of JSON tells how the start went.
  public var readyDescriptor: Int32?
  /// What the machine is found by among the processes; nobody reads it here.
  public var name: String?
  /// Ports of the host that lead into the guest.
  public var forwards: [Forward] = []
  /// A saved state to go on from, instead of a boot.
  public var restore: String?
  /// The machine is made and waits for `start` or `restore` on the control socket.
  public var waits = false
}

/// Reads the arguments of `run`. Throws `usage`, naming the argument.
public func parseRun(_ arguments: [String]) throws -> RunOptions {
  var options = RunOptions()
  var seen: Set<String> = []
  var rest = arguments[...]
  while let flag = rest.popFirst() {
    if flag == "--wait" {
      options.waits = true
      continue
    }
    guard let read = readers[flag] else { throw usage("unknown argument '\(flag)'") }
    guard let value = rest.popFirst() else { throw usage("'\(flag)' needs a value") }
    guard seen.insert(flag).inserted || repeatable.contains(flag) else {
      throw usage("'\(flag)' is there twice")
    }
    try read(&options, value)
  }
  for flag in ["--kernel", "--cpus", "--memory", "--console-log"] where !seen.contains(flag) {
    throw usage("'\(flag)' is missing")
  }
  guard !options.waits || (options.restore == nil && options.control != nil) else {
    throw usage("'--wait' needs '--control', and no '--restore'")
  }
  options.spec.vsock = options.vsock != nil || !options.forwards.isEmpty
  return options
}

private let repeatable: Set<String> = ["--disk", "--share", "--forward"]

private let readers: [String: @Sendable (inout RunOptions, String) throws -> Void] = [
  "--kernel": { $0.spec.kernel = $1 },
  "--initrd": { $0.spec.initrd = $1 },
  "--disk": { $0.spec.disks.append(disk($1)) },
  "--cpus": { $0.spec.cpus = try number("--cpus", $1) },
  "--memory": { $0.spec.memoryMiB = try number("--memory", $1) },
  "--boot-args": { $0.spec.bootArguments = $1 },
  "--network": { $0.spec.network = try network($1) },
  "--mac": { $0.spec.mac = try mac($1) },
  "--console-log": { $0.spec.consoleLog = $1 },
  "--share": { $0.spec.shares.append(try share($1)) },
  "--machine-id": { $0.spec.machineID = $1 },
  "--vsock": { $0.vsock = $1 },
  "--forward": { $0.forwards.append(try forward($1)) },
  "--control": { $0.control = $1 },
  "--ready-fd": { $0.readyDescriptor = Int32(try number("--ready-fd", $1)) },
  "--name": { $0.name = $1 },
  "--restore": { $0.restore = $1 },
]

private func number(_ flag: String, _ value: String) throws -> Int {
  guard let number = Int32(value), number > 0 else {
    throw usage("'\(flag)' wants a number above 0, not '\(value)'")
  }
  return Int(number)
}

private func disk(_ value: String) -> MachineSpec.Disk {
  value.hasSuffix(",ro")
    ? .init(path: String(value.dropLast(3)), readOnly: true) : .init(path: value, readOnly: false)
}

private func network(_ value: String) throws -> MachineSpec.Network {
  switch value {
  case "nat": return .nat
  case "none": return .none
  default:
    guard value.hasPrefix("socket:"), value.count > 7 else {
      throw usage("'--network' is nat, socket:PATH or none, not '\(value)'")
    }
    return .socket(path: String(value.dropFirst(7)))
  }
}

/// A single machine's address (the lowest bit of the first byte says that it is none), in lower case.
private func mac(_ value: String) throws -> String {
  let bytes = value.split(separator: ":", omittingEmptySubsequences: false)
  let parsed = bytes.compactMap { $0.count == 2 ? UInt8($0, radix: 16) : nil }
  guard bytes.count == 6, parsed.count == 6, parsed[0] & 1 == 0 else {
    throw usage("'--mac' wants an address such as 52:54:00:12:34:56, not '\(value)'")
  }
  return value.lowercased()
}

private func forward(_ value: String) throws -> Forward {
  guard let forward = parseForward(value) else {
    throw usage("'--forward' is tcp|udp:ADDRESS:HOSTPORT:GUESTPORT, IPv6 addresses in brackets, not '\(value)'")
  }
  return forward
}

private func share(_ value: String) throws -> MachineSpec.Share {
  let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
  // 36 bytes: the longest tag that virtiofs has room for (virtio specification 1.2, 5.11.4).
  guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.count <= 36, !parts[1].isEmpty else {
    throw usage("'--share' is TAG=DIR with a tag of at most 36 bytes, not '\(value)'")
  }
  return .init(tag: String(parts[0]), folder: String(parts[1]))
}

private func usage(_ message: String) -> Failure {
  Failure(.usage, message, hint: "see 'ember-vz --help'")
}
