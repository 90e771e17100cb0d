import Foundation

// One call of each system: clonefile(2) of APFS, and FICLONE of btrfs and XFS, by which the same tests run on Linux.

#if canImport(Darwin)
  /// 0, or the number of the error.
  func systemClone(_ source: String, _ target: String) -> Int32 {
    clonefile(source, target, UInt32(CLONE_NOFOLLOW)) == 0 ? 0 : errno
  }
#else
  /// _IOW(0x94, 9, int) of linux/fs.h.
  private let ficlone: UInt = 0x4004_9409

  /// 0, or the number of the error. The target is not there when it fails.
  func systemClone(_ source: String, _ target: String) -> Int32 {
    let from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard from >= 0 else { return errno }
    defer { close(from) }
    let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard to >= 0 else { return errno }
    defer { close(to) }
    guard ioctl(to, ficlone, from) != 0 else { return 0 }
    let error = errno
    unlink(target)
    return error
  }
#endif
