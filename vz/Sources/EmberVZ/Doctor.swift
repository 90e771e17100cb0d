import Foundation

struct Finding: Codable, Equatable {
  let name: String
  let ok: Bool
  let detail: String
  var hint: String?
}

/// What this host offers to machines, as JSON: {"checks":[{"name":...,"ok":...,"detail":...,"hint":...}]}.
@MainActor
public func doctorJSON(framework: any Framework, host: HostFacts = .read()) -> String {
  let checks = [systemCheck(host), signatureCheck(host), limitsCheck(framework), featuresCheck(host)].compactMap { $0 }
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  let text = (try? encoder.encode(["checks": checks])) ?? Data("{}".utf8)  // strings alone: it cannot fail
  return String(decoding: text, as: UTF8.self)
}

private let oldest = 13

func systemCheck(_ host: HostFacts) -> Finding {
  let detail = "\(host.version), \(hostArchitecture)"
  guard let major = host.macOSMajor, major < oldest else { return Finding(name: "system", ok: true, detail: detail) }
  return Finding(
    name: "system", ok: false, detail: "macOS \(oldest) or newer is needed for machines with a console, this is \(host.version)",
    hint: "update macOS, or use QEMU: ember init --hypervisor qemu --storage qcow2")
}

/// Nil where programs are not signed.
func signatureCheck(_ host: HostFacts) -> Finding? {
  guard let entitlements = host.entitlements else { return nil }
  let sign = "sign it: codesign --force --sign - --entitlements ember-vz.entitlements \(host.program)"
  switch entitlements {
  case .unsigned:
    return Finding(name: "signature", ok: false, detail: "'\(host.program)' is not signed", hint: sign)
  case .text(let text) where text.contains(virtualizationEntitlement):
    return Finding(name: "signature", ok: true, detail: "it may use virtualization")
  case .text:
    return Finding(
      name: "signature", ok: false, detail: "'\(host.program)' lacks the entitlement \(virtualizationEntitlement)",
      hint: sign)
  }
}

@MainActor
func limitsCheck(_ framework: any Framework) -> Finding {
  do {
    let limits = try framework.limits()
    let memory = "\(limits.memoryMiB.lowerBound) to \(limits.memoryMiB.upperBound) MiB of memory"
    return Finding(
      name: "virtualization", ok: true, detail: "\(limits.cpus.upperBound) processors at most, \(memory)")
  } catch {
    let failure = error as? Failure ?? Failure(.system, "\(error)")
    return Finding(name: "virtualization", ok: false, detail: failure.message, hint: failure.hint)
  }
}

func featuresCheck(_ host: HostFacts) -> Finding? {
  guard let major = host.macOSMajor else { return nil }
  let saves = major >= 14 && hostArchitecture == "arm64"
  let saving = saves ? "machines' states can be saved" : "saving a machine's state needs macOS 14 and Apple silicon"
  return Finding(name: "features", ok: true, detail: saving)
}
