/// All that one machine is made of, as `ember-vz run` is told.
public struct MachineSpec: Equatable, Sendable {
  public struct Disk: Equatable, Sendable {
    public let path: String
    public let readOnly: Bool
  }

  public enum Network: Equatable, Sendable {
    /// Apple's own, translated by the host.
    case nat
    /// Frames as datagrams of a Unix socket, to a network that ember runs.
    case socket(path: String)
    case none
  }

  /// A folder of the host that the guest mounts by its tag (virtiofs).
  public struct Share: Equatable, Sendable {
    public let tag: String
    public let folder: String
  }

  public var kernel = ""
  public var initrd: String?
  public var disks: [Disk] = []
  public var cpus = 0
  public var memoryMiB = 0
  public var bootArguments = ""
  public var network = Network.none
  public var mac: String?
  public var consoleLog = ""
  public var shares: [Share] = []
  /// Whether the host talks to the guest over vsock.
  public var vsock = false
  /// File that keeps who this machine is to its guest; made when it is missing.
  public var machineID: String?
}
