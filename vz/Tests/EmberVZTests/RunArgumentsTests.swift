import XCTest

@testable import EmberVZ

final class RunArgumentsTests: XCTestCase {
  private let least = ["--kernel", "k", "--cpus", "2", "--memory", "512", "--console-log", "c"]

  func testEveryArgumentArrives() throws {
    let options = try parseRun(
      least + [
        "--initrd", "i", "--disk", "a", "--disk", "b,ro", "--boot-args", "x y", "--network", "socket:/n",
        "--mac", "52:54:00:AA:bb:cc", "--vsock", "/v", "--control", "/c", "--ready-fd", "3",
        "--share", "src=/a=b", "--machine-id", "m", "--restore", "r", "--forward", "tcp:127.0.0.1:8080:80", "--forward", "udp:[::]:53:53",
      ])
    let spec = options.spec
    XCTAssertEqual(spec.kernel, "k")
    XCTAssertEqual(spec.initrd, "i")
    XCTAssertEqual(spec.disks, [.init(path: "a", readOnly: false), .init(path: "b", readOnly: true)])
    XCTAssertEqual(spec.cpus, 2)
    XCTAssertEqual(spec.memoryMiB, 512)
    XCTAssertEqual(spec.bootArguments, "x y")
    XCTAssertEqual(spec.network, .socket(path: "/n"))
    XCTAssertEqual(spec.mac, "52:54:00:aa:bb:cc")
    XCTAssertEqual(spec.shares, [.init(tag: "src", folder: "/a=b")])
    XCTAssertEqual(spec.machineID, "m")
    XCTAssertEqual(options.vsock, "/v")
    XCTAssertEqual(options.control, "/c")
    XCTAssertEqual(options.readyDescriptor, 3)
    XCTAssertEqual(options.restore, "r")
    XCTAssertEqual(options.forwards.map(\.hostPort), [8080, 53])
  }

  func testWhatIsWrongIsNamed() {
    let cases: [([String], String)] = [
      (["--kernel"], "'--kernel' needs a value"),
      (["--frobnicate", "1"], "unknown argument '--frobnicate'"),
      (Array(least.dropFirst(2)), "'--kernel' is missing"),
      (least + ["--cpus", "2"], "'--cpus' is there twice"),
      (least + ["--network", "bridge"], "not 'bridge'"),
      (least + ["--network", "socket:"], "not 'socket:'"),
      (least + ["--mac", "53:54:00:12:34:56"], "not '53:54:00:12:34:56'"),
      (least + ["--mac", "52:54:00:12:34"], "not '52:54:00:12:34'"),
      (least + ["--share", "x"], "not 'x'"),
      (least + ["--share", "\(String(repeating: "t", count: 37))=/"], "at most 36 bytes"),
      (least + ["--ready-fd", "-1"], "not '-1'"),
    ]
    for (arguments, expected) in cases {
      XCTAssertThrowsError(try parseRun(arguments)) { error in
        XCTAssertEqual((error as? Failure)?.code, .usage)
        XCTAssertTrue("\(error)".contains(expected), "\(error)")
      }
    }
  }
}
