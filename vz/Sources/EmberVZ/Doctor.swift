import Foundation

private struct Finding: Codable {
  let name: String
  let ok: Bool
  let detail: String
  var hint: String?
}

/// What this host offers to machines, as JSON: {"checks":[{"name":...,"ok":...,"detail":...,"hint":...}]}.
@MainActor
public func doctorJSON(framework: any Framework) -> String {
  let version = ProcessInfo.processInfo.operatingSystemVersion
  let system = "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"
  var checks = [Finding(name: "system", ok: true, detail: "\(system), \(hostArchitecture)")]
  do {
    let limits = try framework.limits()
    let memory = "\(limits.memoryMiB.lowerBound) to \(limits.memoryMiB.upperBound) MiB of memory"
    checks.append(
      Finding(name: "virtualization", ok: true, detail: "\(limits.cpus.upperBound) processors at most, \(memory)"))
  } catch {
    let failure = error as? Failure ?? Failure(.system, "\(error)")
    checks.append(Finding(name: "virtualization", ok: false, detail: failure.message, hint: failure.hint))
  }
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  let text = (try? encoder.encode(["checks": checks])) ?? Data("{}".utf8)  // strings alone: it cannot fail
  return String(decoding: text, as: UTF8.self)
}
