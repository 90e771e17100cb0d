import Foundation

/// A file with a machine's state: one line that says what the machine is made of, and QEMU's own stream.
enum SavedState {
  /// Of all that must be the same where it goes on.
  static func heading(_ configuration: VZVirtualMachineConfiguration) -> String {
    let platform = configuration.platform as? VZGenericPlatformConfiguration
    let disks = configuration.storageDevices.map { device in
      let attachment = (device as? VZVirtioBlockDeviceConfiguration)?.attachment
      return "\(attachment?.url.path ?? ""),\(attachment?.isReadOnly == true ? "ro" : "rw")"
    }
    let networks = configuration.networkDevices.map {
      ($0 as? VZVirtioNetworkDeviceConfiguration)?.macAddress.string ?? ""
    }
    let parts =
      ["vz-state", "\(configuration.cpuCount)", "\(configuration.memorySize)"]
      + [platform?.machineIdentifier.dataRepresentation.base64EncodedString() ?? ""] + disks + networks
    return parts.joined(separator: "|") + "\n"
  }

  static func fits(_ configuration: VZVirtualMachineConfiguration, _ file: URL) -> Bool {
    let wanted = Data(heading(configuration).utf8)
    guard let handle = try? FileHandle(forReadingFrom: file) else { return false }
    defer { try? handle.close() }
    return (try? handle.read(upToCount: wanted.count)) == wanted
  }
}

extension VZVirtualMachineConfiguration {
  /// QEMU's vsock device does not migrate, so here a machine with one is what Apple's framework calls unsupported.
  public func validateSaveRestoreSupport() throws {
    guard socketDevices.isEmpty else {
      throw VZError(.notSupported, "Invalid virtual machine configuration. The device configuration does not support save and restore.")
    }
  }
}
