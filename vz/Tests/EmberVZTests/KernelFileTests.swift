import XCTest

@testable import EmberVZ

final class KernelFileTests: XCTestCase {
  func testAKernelOfTheHostsArchitectureIsTaken() throws {
    let file = try makeFolder(self).appendingPathComponent("kernel")
    for architecture in ["arm64", "x86_64"] {
      try kernelHead(architecture).write(to: file)
      XCTAssertNoThrow(try checkKernel(file.path, architecture: architecture))
      let other = architecture == "arm64" ? "x86_64" : "arm64"
      XCTAssertThrowsError(try checkKernel(file.path, architecture: other)) {
        XCTAssertEqual(($0 as? Failure)?.code, .kernelInvalid)
      }
    }
  }

  func testWhatIsCompressedIsSaidToBe() throws {
    let file = try makeFolder(self).appendingPathComponent("kernel")
    var efi = Data("MZ".utf8) + Data(count: 62)
    efi.replaceSubrange(4..<8, with: "zimg".utf8)
    let gzip = Data([0x1f, 0x8b]) + Data(count: 100)
    let zstd = Data([0x28, 0xb5, 0x2f, 0xfd]) + Data(count: 100)
    for content in [gzip, zstd, efi] {
      try content.write(to: file)
      XCTAssertThrowsError(try checkKernel(file.path, architecture: "arm64")) {
        XCTAssertTrue("\($0)".contains("is a compressed") || "\($0)".contains("is compressed"), "\($0)")
      }
    }
  }

  func testNothingAndTooLittleAreErrors() throws {
    let file = try makeFolder(self).appendingPathComponent("kernel")
    XCTAssertThrowsError(try checkKernel(file.path)) { XCTAssertEqual(($0 as? Failure)?.code, .notFound) }
    for content in [Data(), Data("short".utf8)] {
      try content.write(to: file)
      XCTAssertThrowsError(try checkKernel(file.path))
    }
  }
}
