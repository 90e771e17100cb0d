import XCTest

@testable import EmberVZ

@MainActor
final class SavedFileTests: XCTestCase {
  func testAStateIsTheOwnersAloneAndTakesThePlaceOfAnother() async throws {
    let folder = try makeFolder(self)
    let file = folder.appendingPathComponent("state")
    try Data("older".utf8).write(to: file)
    try await saveState(FakeMachine(), to: file.path)
    XCTAssertEqual(try Data(contentsOf: file), Data("state".utf8))
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    XCTAssertEqual(mode, 0o600)
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["state"])
  }

  func testOneThatFailsLeavesWhatWasThere() async throws {
    let folder = try makeFolder(self)
    let file = folder.appendingPathComponent("state")
    try Data("older".utf8).write(to: file)
    let machine = FakeMachine()
    machine.saveFailure = Failure(.diskFull, "full")
    do {
      try await saveState(machine, to: file.path)
      XCTFail("it was saved")
    } catch {
      XCTAssertEqual((error as? Failure)?.code, .diskFull)
    }
    XCTAssertEqual(try Data(contentsOf: file), Data("older".utf8))
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["state"])
  }
}
