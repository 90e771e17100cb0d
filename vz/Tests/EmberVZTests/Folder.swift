import Foundation
import XCTest

/// A folder that goes with the test.
func makeFolder(_ test: XCTestCase) throws -> URL {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vz-\(UUID().uuidString.prefix(8))")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  test.addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
  return folder
}

/// The head of a kernel for this host's architecture, as far as anybody looks.
func kernelHead(_ architecture: String) -> Data {
  var bytes = Data(count: 2048)
  let (offset, magic) = architecture == "arm64" ? (56, "ARM\u{64}") : (0x202, "HdrS")
  bytes.replaceSubrange(offset..<offset + 4, with: magic.utf8)
  return bytes
}
