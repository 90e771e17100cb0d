import Foundation

/// Saves the state of a paused machine. Post-condition: the file is whole, and open to its owner alone, since it holds all of the
/// guest's memory. When it fails, what was there before is there still, and nothing else. Throws what `Machine.save` throws.
@MainActor
func saveState(_ machine: any Machine, to path: String) async throws {
  let partial = "\(path).\(getpid())"
  unlink(partial)
  do {
    try await machine.save(to: partial)
    guard chmod(partial, 0o600) == 0, rename(partial, path) == 0 else {
      throw systemFailure("keep the machine's state as '\(path)'")
    }
  } catch {
    unlink(partial)
    throw error
  }
}
