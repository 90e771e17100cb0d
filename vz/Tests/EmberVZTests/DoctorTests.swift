import XCTest

@testable import EmberVZ

final class DoctorTests: XCTestCase {
  private func host(_ version: String = "14.6.1", _ entitlements: HostFacts.Entitlements? = .unsigned) -> HostFacts {
    HostFacts(version: version, macOSMajor: Int(version.prefix { $0.isNumber }), program: "/x/ember-vz", entitlements: entitlements)
  }

  func testAnOldSystemIsNamedWithWhatItTakes() {
    XCTAssertTrue(systemCheck(host()).ok)
    let old = systemCheck(host("12.7.6"))
    XCTAssertFalse(old.ok)
    XCTAssertTrue(old.detail.contains("macOS 13 or newer") && old.detail.contains("12.7.6"), old.detail)
    XCTAssertTrue(systemCheck(HostFacts(version: "6.1", macOSMajor: nil, program: "", entitlements: nil)).ok)
  }

  func testASignatureWithoutTheEntitlementIsToldFromNone() {
    let lacking = signatureCheck(host("14.0", .text("<dict></dict>")))
    XCTAssertEqual(lacking?.ok, false)
    XCTAssertTrue(lacking?.detail.contains("lacks the entitlement") == true)
    let unsigned = signatureCheck(host())
    XCTAssertEqual(unsigned?.ok, false)
    XCTAssertTrue(unsigned?.hint?.contains("codesign --force --sign -") == true)
    XCTAssertEqual(signatureCheck(host("14.0", .text("<key>com.apple.security.virtualization</key><true/>")))?.ok, true)
    XCTAssertNil(signatureCheck(host("14.0", nil)))
  }

  func testWhatNeedsANewerSystemIsNamed() {
    XCTAssertTrue(featuresCheck(host("13.5"))?.detail.contains("macOS 14") == true)
    XCTAssertNil(featuresCheck(HostFacts(version: "6.1", macOSMajor: nil, program: "", entitlements: nil)))
  }

  @MainActor
  func testAllOfItIsJSON() async throws {
    let json = doctorJSON(framework: FakeFramework(), host: host())
    let checks = try JSONDecoder().decode([String: [Finding]].self, from: Data(json.utf8))["checks"]
    XCTAssertEqual(checks?.map(\.name), ["system", "signature", "virtualization", "features"])
  }
}
