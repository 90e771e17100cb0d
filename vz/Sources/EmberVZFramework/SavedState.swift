import EmberVZ
import Foundation
import Virtualization

// The framework of Intel's Macs does not have these calls at all.
#if arch(arm64) || !os(macOS)
  extension AppleMachine {
    func save(to path: String) async throws {
      guard #available(macOS 14, *) else { throw tooOld("saving a machine's state") }
      do {
        try configuration.validateSaveRestoreSupport()
      } catch {
        throw translate(error, "the state of this machine cannot be saved")
      }
      try await done("the machine's state was not saved") { finish in
        self.machine.saveMachineStateTo(url: URL(fileURLWithPath: path)) { error in
          finish(error.map { .failure($0) } ?? .success(()))
        }
      }
    }

    func restore(from path: String) async throws {
      guard #available(macOS 14, *) else { throw tooOld("going on from a saved state") }
      do {
        try await done("the machine did not go on from '\(path)'") { finish in
          self.machine.restoreMachineStateFrom(url: URL(fileURLWithPath: path)) { error in
            finish(error.map { .failure($0) } ?? .success(()))
          }
        }
      } catch let failure as Failure where failure.hint == nil {
        throw Failure(failure.code, failure.message, hint: "it goes on only on the same host, with the same arguments")
      }
    }
  }

  private func tooOld(_ what: String) -> Failure {
    Failure(.unsupported, "\(what) needs macOS 14", hint: "update macOS")
  }
#else
  extension AppleMachine {
    func save(to path: String) async throws { throw notOnIntel("saving a machine's state") }
    func restore(from path: String) async throws { throw notOnIntel("going on from a saved state") }
  }

  private func notOnIntel(_ what: String) -> Failure {
    Failure(.unsupported, "\(what) needs Apple silicon")
  }
#endif
