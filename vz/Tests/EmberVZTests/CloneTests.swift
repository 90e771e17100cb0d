import XCTest

@testable import EmberVZ

/// On a file system that clones: EMBER_CLONE_FOLDER names a folder there.
final class CloneTests: XCTestCase {
  private func cloningFolder() throws -> URL {
    guard let path = ProcessInfo.processInfo.environment["EMBER_CLONE_FOLDER"] else {
      throw XCTSkip("EMBER_CLONE_FOLDER names no folder on a file system that clones")
    }
    let folder = URL(fileURLWithPath: path).appendingPathComponent("vz-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
    return folder
  }

  func testClonesShareTheirBlocksAndHaveTheSameContent() throws {
    let folder = try cloningFolder()
    let source = folder.appendingPathComponent("a")
    let content = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
    try content.write(to: source)
    let targets = ["b", "c"].map { folder.appendingPathComponent($0).path }
    try clone([source.path] + targets)
    for target in targets {
      XCTAssertEqual(FileManager.default.contents(atPath: target), content)
      XCTAssertEqual(try extentsOf(target).extents, try extentsOf(source.path).extents)
    }
  }

  func testOneThatFailsTakesTheOthersOfItsCallAlong() throws {
    let folder = try cloningFolder()
    let source = folder.appendingPathComponent("a")
    try Data("x".utf8).write(to: source)
    let targets = ["b", "a"].map { folder.appendingPathComponent($0).path }
    XCTAssertThrowsError(try clone([source.path] + targets)) { XCTAssertEqual(($0 as? Failure)?.code, .exists) }
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["a"])
  }

  func testNoneIsLeftForAProcessThatHasEnded() throws {
    let folder = try cloningFolder()
    let source = folder.appendingPathComponent("a")
    try Data("x".utf8).write(to: source)
    let arguments = ["--for", "4711", source.path, folder.appendingPathComponent("b").path]
    XCTAssertThrowsError(try clone(arguments, parent: { 1 })) { XCTAssertEqual(($0 as? Failure)?.code, .refused) }
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["a"])
    try clone(arguments, parent: { 4711 })
    XCTAssertThrowsError(try clone(["--for", "me", source.path, "b"])) { XCTAssertEqual(($0 as? Failure)?.code, .usage) }
  }

  func testAnotherVolumeIsToldAndNothingIsCopied() throws {
    let source = try cloningFolder().appendingPathComponent("a")
    try Data("x".utf8).write(to: source)
    let target = try makeFolder(self).appendingPathComponent("b").path
    XCTAssertThrowsError(try clone([source.path, target])) {
      XCTAssertEqual(($0 as? Failure)?.code, .otherVolume)
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: target))
  }

  func testAMissingSourceAndTooFewNamesAreErrors() throws {
    let folder = try makeFolder(self)
    let missing = folder.appendingPathComponent("a").path
    XCTAssertThrowsError(try clone([missing, missing + "b"])) { XCTAssertEqual(($0 as? Failure)?.code, .notFound) }
    XCTAssertThrowsError(try clone([missing])) { XCTAssertEqual(($0 as? Failure)?.code, .usage) }
  }

  func testHolesHaveNoExtent() throws {
    let file = try makeFolder(self).appendingPathComponent("sparse").path
    XCTAssertTrue(FileManager.default.createFile(atPath: file, contents: nil))
    let handle = try XCTUnwrap(FileHandle(forWritingAtPath: file))
    try handle.seek(toOffset: 1 << 20)
    try handle.write(contentsOf: Data(count: 4096))
    try handle.close()
    let (sizeBytes, extents) = try extentsOf(file)
    XCTAssertEqual(sizeBytes, 1 << 20 + 4096)
    XCTAssertEqual(extents.map(\.offset), [1 << 20])
    XCTAssertEqual(extents.map(\.length), [4096])
  }
}
