import Foundation

let virtualizationEntitlement = "com.apple.security.virtualization"

/// What is asked of the host's own programs.
public struct HostFacts: Sendable {
  public enum Entitlements: Equatable, Sendable {
    case unsigned
    case text(String)
  }

  /// Of the operating system, "14.6.1".
  public let version: String
  /// Nil where this is no macOS.
  public let macOSMajor: Int?
  /// The path of this program.
  public let program: String
  /// Nil where programs are not signed.
  public let entitlements: Entitlements?

  public init(version: String, macOSMajor: Int?, program: String, entitlements: Entitlements?) {
    self.version = version
    self.macOSMajor = macOSMajor
    self.program = program
    self.entitlements = entitlements
  }

  public static func read() -> HostFacts {
    let program = Bundle.main.executablePath ?? CommandLine.arguments[0]
    let named = output("/usr/bin/sw_vers", ["-productVersion"])?.text.trimmingCharacters(in: .whitespacesAndNewlines)
    let kernel = ProcessInfo.processInfo.operatingSystemVersion
    return HostFacts(
      version: named ?? "\(kernel.majorVersion).\(kernel.minorVersion).\(kernel.patchVersion)",
      macOSMajor: named.flatMap { Int($0.prefix { $0.isNumber }) }, program: program,
      entitlements: entitlements(of: program))
  }

  private static func entitlements(of program: String) -> Entitlements? {
    guard let answer = output("/usr/bin/codesign", ["-d", "--entitlements", ":-", program]) else { return nil }
    return answer.status == 0 ? .text(answer.text) : .unsigned
  }

  /// Nil where there is no such program, or it takes longer than a few seconds.
  private static func output(_ path: String, _ arguments: [String]) -> (status: Int32, text: String)? {
    guard FileManager.default.isExecutableFile(atPath: path) else { return nil }
    let process = Process()
    let out = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardOutput = out
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let timer = DispatchWorkItem { process.terminate() }
    DispatchQueue.global().asyncAfter(deadline: .now() + 5, execute: timer)
    let data = out.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    timer.cancel()
    guard process.terminationReason == .exit else { return nil }
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
