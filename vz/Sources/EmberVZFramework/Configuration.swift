import EmberVZ
import Foundation
import Virtualization

/// The framework's own description of the machine. Throws what the framework says of files that it cannot use.
@MainActor
func describe(_ spec: MachineSpec) throws -> VZVirtualMachineConfiguration {
  let configuration = VZVirtualMachineConfiguration()
  configuration.cpuCount = spec.cpus
  configuration.memorySize = UInt64(spec.memoryMiB) << 20
  let loader = VZLinuxBootLoader(kernelURL: URL(fileURLWithPath: spec.kernel))
  loader.commandLine = spec.bootArguments
  loader.initialRamdiskURL = spec.initrd.map { URL(fileURLWithPath: $0) }
  configuration.bootLoader = loader
  configuration.platform = try platform(spec.machineID)
  configuration.storageDevices = try spec.disks.map(disk)
  configuration.networkDevices = try network(spec)
  configuration.serialPorts = [try console(spec.consoleLog)]
  configuration.entropyDevices = [VZVirtioEntropyDeviceConfiguration()]
  configuration.memoryBalloonDevices = [VZVirtioTraditionalMemoryBalloonDeviceConfiguration()]
  configuration.socketDevices = spec.vsock ? [VZVirtioSocketDeviceConfiguration()] : []
  configuration.directorySharingDevices = try spec.shares.map(share)
  return configuration
}

/// A saved state goes on only in a machine with the identifier that it was saved with.
private func platform(_ file: String?) throws -> VZGenericPlatformConfiguration {
  let platform = VZGenericPlatformConfiguration()
  guard let file else { return platform }
  if let known = FileManager.default.contents(atPath: file) {
    guard let identifier = VZGenericMachineIdentifier(dataRepresentation: known) else {
      throw Failure(.system, "'\(file)' holds no machine identifier", hint: "remove it; saved states are lost then")
    }
    platform.machineIdentifier = identifier
    return platform
  }
  let made = FileManager.default.createFile(
    atPath: file, contents: platform.machineIdentifier.dataRepresentation,
    attributes: [.posixPermissions: 0o600])
  guard made else { throw systemFailure("write the machine identifier '\(file)'") }
  return platform
}

private func disk(_ disk: MachineSpec.Disk) throws -> VZStorageDeviceConfiguration {
  do {
    // Any other mode of caching corrupts the ext4 of Linux guests (UTM issue 4840).
    let attachment = try VZDiskImageStorageDeviceAttachment(
      url: URL(fileURLWithPath: disk.path), readOnly: disk.readOnly, cachingMode: .cached,
      synchronizationMode: .fsync)
    return VZVirtioBlockDeviceConfiguration(attachment: attachment)
  } catch {
    throw translate(error, "the disk '\(disk.path)' cannot be used")
  }
}

private func console(_ path: String) throws -> VZSerialPortConfiguration {
  let port = VZVirtioConsoleDeviceSerialPortConfiguration()
  // Made here, since the framework's own would be open to other users.
  guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
  else { throw systemFailure("make the console's log '\(path)'") }
  port.attachment = try VZFileSerialPortAttachment(url: URL(fileURLWithPath: path), append: true)
  return port
}

private func network(_ spec: MachineSpec) throws -> [VZNetworkDeviceConfiguration] {
  let device = VZVirtioNetworkDeviceConfiguration()
  if let mac = spec.mac, let address = VZMACAddress(string: mac) { device.macAddress = address }
  switch spec.network {
  case .none: return []
  case .nat: device.attachment = VZNATNetworkDeviceAttachment()
  case .socket(let path): device.attachment = VZFileHandleNetworkDeviceAttachment(fileHandle: try frames(path))
  }
  return [device]
}

private func share(_ share: MachineSpec.Share) throws -> VZDirectorySharingDeviceConfiguration {
  let device = VZVirtioFileSystemDeviceConfiguration(tag: share.tag)
  let folder = VZSharedDirectory(url: URL(fileURLWithPath: share.folder, isDirectory: true), readOnly: false)
  device.share = VZSingleDirectoryShare(directory: folder)
  return device
}
