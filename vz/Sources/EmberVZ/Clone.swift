import Foundation

/// Makes copies of one file that share its blocks: all of them, or none. Never copies data. With `--for PID` first, they are
/// made only while that process, which started this one, lives: who cleans up after it finds nothing that comes later.
/// Throws `exists`, `other-volume`, `cannot-clone`, `disk-full`, `not-found`, `refused`.
public func clone(_ arguments: [String], parent: () -> Int32 = getppid) throws {
  var paths = arguments[...]
  var client: Int32?
  if paths.first == "--for" {
    client = Int32(paths.dropFirst().first ?? "")
    guard client != nil else { throw Failure(.usage, "'--for' wants the number of a process") }
    paths = paths.dropFirst(2)
  }
  guard let source = paths.first, paths.count > 1 else {
    throw Failure(.usage, "'clone' wants a source and at least one target")
  }
  var made: [String] = []
  do {
    for target in paths.dropFirst() {
      try cloneFile(source, target)
      made.append(target)
    }
    if let client, parent() != client { throw Failure(.refused, "process \(client), which wanted the clones, has ended") }
  } catch {
    for target in made { unlink(target) }
    throw error
  }
}

private func cloneFile(_ source: String, _ target: String) throws {
  let error = systemClone(source, target)
  let what = "'\(source)' cannot be cloned to '\(target)'"
  switch error {
  case 0: return
  case ENOENT: throw Failure(.notFound, "\(what): there is no such file or folder")
  case EEXIST: throw Failure(.exists, "\(what): the target is there already")
  case EXDEV:
    throw Failure(.otherVolume, "\(what): they are on different volumes", hint: "choose a target on the source's volume")
  case ENOTSUP, EOPNOTSUPP, ENOTTY, EINVAL:
    throw Failure(
      .cannotClone, "\(what): this file system cannot share blocks between files",
      hint: "put ember's state folder on an APFS volume: ember init --state-dir PATH")
  case ENOSPC, EDQUOT: throw Failure(.diskFull, "\(what): the volume is full")
  default: throw Failure(.system, "\(what): \(String(cString: strerror(error)))")
  }
}
