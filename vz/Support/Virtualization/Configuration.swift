// As much of Apple's framework as ember-vz uses, by the same names, for hosts that are no Mac. What Apple's classes check,
// these check; what Apple's virtual machine does, QEMU does (VirtualMachine.swift). Of the tests alone.
import Foundation

public class VZBootLoader {}

public class VZLinuxBootLoader: VZBootLoader {
  public let kernelURL: URL
  public var commandLine = ""
  public var initialRamdiskURL: URL?
  public init(kernelURL: URL) { self.kernelURL = kernelURL }
}

public class VZPlatformConfiguration {}

public class VZGenericPlatformConfiguration: VZPlatformConfiguration {
  public var machineIdentifier = VZGenericMachineIdentifier()
  public override init() {}
}

public class VZGenericMachineIdentifier {
  public let dataRepresentation: Data
  public init() { dataRepresentation = Data("machine \(UUID().uuidString)".utf8) }
  public init?(dataRepresentation: Data) {
    guard dataRepresentation.starts(with: "machine ".utf8), dataRepresentation.count == 44 else { return nil }
    self.dataRepresentation = dataRepresentation
  }
}

public class VZStorageDeviceConfiguration {}

public class VZVirtioBlockDeviceConfiguration: VZStorageDeviceConfiguration {
  public let attachment: VZDiskImageStorageDeviceAttachment
  public init(attachment: VZDiskImageStorageDeviceAttachment) { self.attachment = attachment }
}

public enum VZDiskImageCachingMode { case automatic, uncached, cached }
public enum VZDiskImageSynchronizationMode { case full, fsync, none }

public class VZDiskImageStorageDeviceAttachment {
  public let url: URL
  public let isReadOnly: Bool
  public let cachingMode: VZDiskImageCachingMode
  public let synchronizationMode: VZDiskImageSynchronizationMode

  public init(
    url: URL, readOnly: Bool, cachingMode: VZDiskImageCachingMode,
    synchronizationMode: VZDiskImageSynchronizationMode
  ) throws {
    let file = FileManager.default
    guard readOnly ? file.isReadableFile(atPath: url.path) : file.isWritableFile(atPath: url.path) else {
      throw VZError(.invalidDiskImage, "The storage device attachment is invalid.")
    }
    self.url = url
    isReadOnly = readOnly
    self.cachingMode = cachingMode
    self.synchronizationMode = synchronizationMode
  }
}

public class VZNetworkDeviceConfiguration {}

public class VZVirtioNetworkDeviceConfiguration: VZNetworkDeviceConfiguration {
  public var macAddress = VZMACAddress.randomLocallyAdministered()
  public var attachment: VZNetworkDeviceAttachment?
  public override init() {}
}

public struct VZMACAddress {
  public let string: String
  public init?(string: String) {
    guard string.split(separator: ":").compactMap({ UInt8($0, radix: 16) }).count == 6 else { return nil }
    self.string = string
  }
  public static func randomLocallyAdministered() -> VZMACAddress {
    let bytes = (0..<5).map { _ in String(format: "%02x", UInt8.random(in: 0...255)) }
    return VZMACAddress(string: (["52"] + bytes).joined(separator: ":"))!
  }
}

public class VZNetworkDeviceAttachment {}

public class VZNATNetworkDeviceAttachment: VZNetworkDeviceAttachment {
  public override init() {}
}

public class VZFileHandleNetworkDeviceAttachment: VZNetworkDeviceAttachment {
  public let fileHandle: FileHandle
  public init(fileHandle: FileHandle) { self.fileHandle = fileHandle }
}

public class VZSerialPortConfiguration {
  public var attachment: VZFileSerialPortAttachment?
}

public class VZVirtioConsoleDeviceSerialPortConfiguration: VZSerialPortConfiguration {
  public override init() {}
}

public class VZFileSerialPortAttachment {
  public let url: URL
  public init(url: URL, append: Bool) throws { self.url = url }
}

public class VZEntropyDeviceConfiguration {}
public class VZVirtioEntropyDeviceConfiguration: VZEntropyDeviceConfiguration {
  public override init() {}
}

public class VZMemoryBalloonDeviceConfiguration {}
public class VZVirtioTraditionalMemoryBalloonDeviceConfiguration: VZMemoryBalloonDeviceConfiguration {
  public override init() {}
}

public class VZSocketDeviceConfiguration {}
public class VZVirtioSocketDeviceConfiguration: VZSocketDeviceConfiguration {
  public override init() {}
}

public class VZDirectorySharingDeviceConfiguration {}

public class VZVirtioFileSystemDeviceConfiguration: VZDirectorySharingDeviceConfiguration {
  public let tag: String
  public var share: VZDirectoryShare?
  public init(tag: String) { self.tag = tag }
}

public class VZDirectoryShare {}
public class VZSingleDirectoryShare: VZDirectoryShare {
  public let directory: VZSharedDirectory
  public init(directory: VZSharedDirectory) { self.directory = directory }
}

public class VZSharedDirectory {
  public let url: URL
  public let isReadOnly: Bool
  public init(url: URL, readOnly: Bool) {
    self.url = url
    isReadOnly = readOnly
  }
}

public class VZVirtualMachineConfiguration {
  public var bootLoader: VZBootLoader?
  public var platform: VZPlatformConfiguration = VZGenericPlatformConfiguration()
  public var cpuCount = 1
  public var memorySize: UInt64 = 0
  public var storageDevices: [VZStorageDeviceConfiguration] = []
  public var networkDevices: [VZNetworkDeviceConfiguration] = []
  public var serialPorts: [VZSerialPortConfiguration] = []
  public var entropyDevices: [VZEntropyDeviceConfiguration] = []
  public var memoryBalloonDevices: [VZMemoryBalloonDeviceConfiguration] = []
  public var socketDevices: [VZSocketDeviceConfiguration] = []
  public var directorySharingDevices: [VZDirectorySharingDeviceConfiguration] = []

  public init() {}

  public static let minimumAllowedCPUCount = 1
  public static let maximumAllowedCPUCount = ProcessInfo.processInfo.processorCount
  public static let minimumAllowedMemorySize: UInt64 = 4 << 20
  public static let maximumAllowedMemorySize = (ProcessInfo.processInfo.physicalMemory >> 20) << 20

  public func validate() throws {
    if ProcessInfo.processInfo.environment["VZ_NOT_ENTITLED"] != nil {
      throw invalid("The process doesn’t have the “com.apple.security.virtualization” entitlement.")
    }
    guard bootLoader != nil else { throw invalid("The boot loader is missing.") }
    guard (Self.minimumAllowedCPUCount...Self.maximumAllowedCPUCount).contains(cpuCount) else {
      throw invalid("The CPU count is out of range.")
    }
    // QEMU would need a server beside it: nothing is shared here, and that is said.
    guard directorySharingDevices.isEmpty else { throw VZError(.notSupported, "Folders cannot be shared here.") }
    let memory = Self.minimumAllowedMemorySize...Self.maximumAllowedMemorySize
    guard memory.contains(memorySize), memorySize % (1 << 20) == 0 else {
      throw invalid("The memory size is out of range.")
    }
  }

  private func invalid(_ reason: String) -> VZError {
    VZError(.invalidVirtualMachineConfiguration, "Invalid virtual machine configuration. \(reason)")
  }
}
