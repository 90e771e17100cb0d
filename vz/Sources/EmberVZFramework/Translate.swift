import EmberVZ
import Foundation
import Virtualization

/// The framework's error in ember's words, as far as it says what is wrong.
func translate(_ error: any Error, _ what: String) -> Failure {
  if let failure = error as? Failure { return failure }
  let said = error.localizedDescription
  if said.contains("com.apple.security.virtualization") {
    return Failure(
      .notEntitled, "ember-vz lacks the entitlement for virtualization",
      hint: "sign it: codesign --force --sign - --entitlements ember-vz.entitlements ember-vz")
  }
  // macOS 15 makes a key for each machine (Tart's FAQ).
  if said.contains("SecKeyCreateRandomKey") || said.contains("Security Server") {
    return Failure(
      .system, "\(what): the login keychain is locked or missing",
      hint: "unlock it: security unlock-keychain login.keychain")
  }
  guard let known = error as? VZError else { return Failure(.system, "\(what): \(said)") }
  switch known.code {
  case .virtualMachineLimitExceeded:
    return Failure(.limitExceeded, "\(what): this host runs as many machines as it may", hint: "stop another one")
  case .outOfDiskSpace: return Failure(.diskFull, "\(what): the host's disk is full")
  case .notSupported: return Failure(.unsupported, "\(what): \(said)")
  case .invalidVirtualMachineStateTransition: return Failure(.refused, "\(what): \(said)")
  default: return Failure(.system, "\(what): \(said)")
  }
}
