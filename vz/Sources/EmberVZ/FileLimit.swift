import Foundation

/// As many as macOS lets a process have without further ado (OPEN_MAX of sys/syslimits.h).
private let mostFiles: rlim_t = 10_240

/// Lets this process have as many open files as it may: macOS begins with 256, and each published connection takes two.
/// Where that fails it goes on with what it has.
public func raiseFileLimit() {
  var limit = rlimit()
  guard getrlimit(openFiles, &limit) == 0, limit.rlim_cur < mostFiles else { return }
  limit.rlim_cur = min(limit.rlim_max, mostFiles)
  _ = setrlimit(openFiles, &limit)
}

#if canImport(Darwin)
  private let openFiles = RLIMIT_NOFILE
#else
  private let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
#endif
