import XCTest

@testable import EmberVZ
@testable import EmberVZFramework

@MainActor
final class DescriptionTests: XCTestCase {
  private var spec = MachineSpec()
  private var folder = URL(fileURLWithPath: "/")

  override func setUp() async throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("vz-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    spec.kernel = "/kernel"
    spec.cpus = 1
    spec.memoryMiB = 64
    spec.consoleLog = folder.appendingPathComponent("log").path
  }

  override func tearDown() async throws { try FileManager.default.removeItem(at: folder) }

  func testAMachineHasAVsockOnlyWhenTheHostWantsOne() async throws {
    XCTAssertEqual(try describe(spec).socketDevices.count, 0)
    spec.vsock = true
    XCTAssertEqual(try describe(spec).socketDevices.count, 1)
  }

  func testTheConsolesLogIsTheOwnersAlone() async throws {
    _ = try describe(spec)
    let mode = try FileManager.default.attributesOfItem(atPath: spec.consoleLog)[.posixPermissions] as? Int
    XCTAssertEqual(mode, 0o600)
  }

  func testAMachineKeepsItsIdentifierAndOtherContentIsNone() async throws {
    let file = folder.appendingPathComponent("id")
    spec.machineID = file.path
    _ = try describe(spec)
    let kept = try Data(contentsOf: file)
    _ = try describe(spec)
    XCTAssertEqual(try Data(contentsOf: file), kept)
    try Data("something else".utf8).write(to: file)
    XCTAssertThrowsError(try describe(spec)) { XCTAssertTrue("\($0)".contains("no machine identifier"), "\($0)") }
  }
}
