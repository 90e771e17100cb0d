import Foundation

/// Checks what the framework would refuse late or in other words. Throws `not-found`, `kernel-invalid`, `limit-exceeded`.
public func check(_ spec: MachineSpec, limits: Limits) throws {
  try checkRange(spec.cpus, limits.cpus, "processors", "--cpus")
  try checkRange(spec.memoryMiB, limits.memoryMiB, "MiB of memory", "--memory")
  try checkKernel(spec.kernel)
  for path in [spec.initrd].compactMap({ $0 }) + spec.disks.map(\.path) {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw Failure(.notFound, "there is no file '\(path)' that can be read")
    }
  }
  for share in spec.shares {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: share.folder, isDirectory: &isFolder)
    guard exists, isFolder.boolValue else {
      throw Failure(.notFound, "there is no folder '\(share.folder)' to share as '\(share.tag)'")
    }
  }
}

private func checkRange(_ value: Int, _ range: ClosedRange<Int>, _ what: String, _ flag: String) throws {
  if range.contains(value) { return }
  let bound = value < range.lowerBound ? "at least \(range.lowerBound)" : "at most \(range.upperBound)"
  throw Failure(
    .limitExceeded, "a machine has \(bound) \(what) on this host, not \(value)",
    hint: "choose another number with \(flag)")
}
