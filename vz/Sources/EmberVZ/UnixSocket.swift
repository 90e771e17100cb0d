import Foundation

/// Unix sockets by the system's own calls. Each function says which descriptor the caller owns.
public enum UnixSocket {
  /// Listens at `path`, open to the owner alone. A socket that nobody answers at is replaced.
  /// Throws `busy` when somebody does, `usage` for a path that is too long.
  public static func listen(at path: String) throws -> Int32 {
    if FileManager.default.fileExists(atPath: path) {
      if let other = try? connect(to: path) {
        close(other)
        throw Failure(.busy, "another process listens at '\(path)'", hint: "the machine may run already")
      }
      unlink(path)
    }
    let descriptor = try open()
    let before = umask(0o177)
    let bound = withAddress(path) { bind(descriptor, $0, $1) }
    umask(before)
    guard bound == 0, systemListen(descriptor, 16) == 0 else {
      throw systemFailure("listen at '\(path)'", closing: descriptor)
    }
    return descriptor
  }

  public static func connect(to path: String) throws -> Int32 {
    let descriptor = try open()
    guard withAddress(path, { systemConnect(descriptor, $0, $1) }) == 0 else {
      throw systemFailure("connect to '\(path)'", closing: descriptor)
    }
    return descriptor
  }

  /// A socket of datagrams that is bound at `own`, which is made anew, and sends to whoever is bound at `path`.
  /// When it fails, there is nothing at `own`.
  public static func datagrams(from own: String, to path: String) throws -> Int32 {
    let descriptor = try open(datagramType)
    unlink(own)
    guard withAddress(own, { bind(descriptor, $0, $1) }) == 0,
      withAddress(path, { systemConnect(descriptor, $0, $1) }) == 0
    else {
      let failure = systemFailure("connect to '\(path)'", closing: descriptor)
      unlink(own)
      throw failure
    }
    return descriptor
  }

  /// Connects a socket of datagrams, which may be connected, to whoever is bound at `path` now. False when nobody is.
  public static func reconnect(_ descriptor: Int32, to path: String) -> Bool {
    withAddress(path) { systemConnect(descriptor, $0, $1) } == 0
  }

  /// Whether there is a socket of datagrams that nobody has open any more.
  public static func isAbandoned(_ path: String) -> Bool {
    var facts = stat()
    guard lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFSOCK, let descriptor = try? open(datagramType)
    else { return false }
    defer { close(descriptor) }
    return withAddress(path) { systemConnect(descriptor, $0, $1) } != 0 && errno == ECONNREFUSED
  }

  /// Waits for one connection; nil once the listener is closed.
  public static func accept(_ listener: Int32) -> Int32? {
    while true {
      let connection = systemAccept(listener, nil, nil)
      if connection >= 0 { return connection }
      switch errno {
      case EINTR, ECONNABORTED: continue
      // Who listens must outlive a moment in which there is no room.
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: usleep(50_000)
      default: return nil
      }
    }
  }

  /// The longest path that an address has room for, without its ending zero.
  public static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

  private static func open(_ type: Int32 = streamType) throws -> Int32 {
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw systemFailure("make a socket") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }

  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    let bytes = Array(path.utf8)
    guard bytes.count <= longestPath else {
      errno = ENAMETOOLONG
      return -1
    }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}

/// A call of the system that failed, with its own reason.
public func systemFailure(_ what: String, closing descriptor: Int32? = nil) -> Failure {
  let number = errno
  if let descriptor { close(descriptor) }
  return Failure(.system, "cannot \(what): \(String(cString: strerror(number)))")
}

// Names that Swift's own methods of the same name would hide.
private let systemListen = listen
private let systemConnect = connect
private let systemAccept = accept

#if canImport(Darwin)
  let streamType = SOCK_STREAM
  let datagramType = SOCK_DGRAM
#else
  let streamType = Int32(SOCK_STREAM.rawValue)
  let datagramType = Int32(SOCK_DGRAM.rawValue)
#endif
