import XCTest

@testable import Virtualization

final class SavedStateTests: XCTestCase {
  private let identifier = VZGenericMachineIdentifier()
  private var folder = URL(fileURLWithPath: "/")

  override func setUpWithError() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("vz-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(at: folder) }

  private func machine(_ change: (VZVirtualMachineConfiguration) -> Void = { _ in }) -> VZVirtualMachineConfiguration {
    let made = VZVirtualMachineConfiguration()
    let platform = VZGenericPlatformConfiguration()
    platform.machineIdentifier = identifier
    made.platform = platform
    made.cpuCount = 1
    made.memorySize = 64 << 20
    let network = VZVirtioNetworkDeviceConfiguration()
    network.macAddress = VZMACAddress(string: "52:54:00:00:00:01") ?? network.macAddress
    made.networkDevices = [network]
    return made.changed(change)
  }

  private func disk(_ name: String, readOnly: Bool) throws -> VZStorageDeviceConfiguration {
    let file = folder.appendingPathComponent(name)
    try Data(count: 512).write(to: file)
    return VZVirtioBlockDeviceConfiguration(
      attachment: try VZDiskImageStorageDeviceAttachment(
        url: file, readOnly: readOnly, cachingMode: .cached, synchronizationMode: .fsync))
  }

  func testAStateFitsAMachineOfTheSameDescriptionAlone() throws {
    let state = folder.appendingPathComponent("state")
    let own = try disk("own", readOnly: false)
    let original = machine { $0.storageDevices = [own] }
    try Data((SavedState.heading(original) + "what QEMU wrote").utf8).write(to: state)
    XCTAssertTrue(SavedState.fits(machine { $0.storageDevices = [own] }, state))
    let (sealed, other) = (try disk("own", readOnly: true), try disk("other", readOnly: false))
    let changes: [(String, (VZVirtualMachineConfiguration) -> Void)] = [
      ("processors", { $0.cpuCount = 2 }),
      ("memory", { $0.memorySize = 65 << 20 }),
      ("identifier", { $0.platform = VZGenericPlatformConfiguration() }),
      ("no network", { $0.networkDevices = [] }),
      ("MAC address", { $0.networkDevices = [VZVirtioNetworkDeviceConfiguration()] }),
      ("no disk", { $0.storageDevices = [] }),
      ("another disk", { $0.storageDevices = [other] }),
      ("a disk more", { $0.storageDevices = [own, other] }),
      ("a disk to be read only", { $0.storageDevices = [sealed] }),
    ]
    for (what, change) in changes {
      XCTAssertFalse(SavedState.fits(machine { $0.storageDevices = [own] }.changed(change), state), what)
    }
    XCTAssertFalse(SavedState.fits(original, folder.appendingPathComponent("nothing")))
  }

  func testAMachineWithAVsockSupportsNoSaving() {
    XCTAssertNoThrow(try machine().validateSaveRestoreSupport())
    let connected = machine { $0.socketDevices = [VZVirtioSocketDeviceConfiguration()] }
    XCTAssertThrowsError(try connected.validateSaveRestoreSupport()) {
      XCTAssertEqual(($0 as? VZError)?.code, .notSupported)
    }
  }
}

extension VZVirtualMachineConfiguration {
  fileprivate func changed(_ change: (VZVirtualMachineConfiguration) -> Void) -> Self {
    change(self)
    return self
  }
}
