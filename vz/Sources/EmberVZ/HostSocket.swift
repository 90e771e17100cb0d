import Foundation

/// Sockets at the host's own addresses.
enum HostSocket {
  /// A socket that is bound where the forward begins; one of TCP listens. The caller owns it.
  /// Throws `port-taken`, `usage` for what is no address, `system`.
  static func bound(_ forward: Forward) throws -> Int32 {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE
    hints.ai_socktype = forward.transport == .tcp ? streamType : datagramType
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(forward.address, "\(forward.hostPort)", &hints, &found) == 0, let place = found else {
      throw Failure(.usage, "'\(forward.address)' is no address of a host", hint: "give it in numbers")
    }
    defer { freeaddrinfo(found) }
    let descriptor = socket(place.pointee.ai_family, place.pointee.ai_socktype, 0)
    guard descriptor >= 0 else { throw systemFailure("make a socket") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    if forward.transport == .tcp { setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size) }
    if place.pointee.ai_family == AF_INET6 { setsockopt(descriptor, ipv6Protocol, IPV6_V6ONLY, &on, size) }
    guard bind(descriptor, place.pointee.ai_addr, place.pointee.ai_addrlen) == 0,
      forward.transport == .udp || systemListen(descriptor, 128) == 0
    else {
      let number = errno
      close(descriptor)
      throw refusal(forward, number)
    }
    return descriptor
  }

  static func refusal(_ forward: Forward, _ number: Int32) -> Failure {
    switch number {
    case EADDRINUSE:
      return Failure(.portTaken, "\(forward.title) is taken", hint: "publish another one, or stop what listens there")
    case EADDRNOTAVAIL:
      return Failure(.usage, "'\(forward.address)' is no address of this host")
    case EACCES:
      return Failure(
        .system, "\(forward.title) may not be listened at by this user", hint: "publish a port of 1024 or above")
    default:
      return Failure(.system, "\(forward.title) cannot be listened at: \(String(cString: strerror(number)))")
    }
  }
}

private let systemListen = listen

#if canImport(Darwin)
  private let ipv6Protocol = IPPROTO_IPV6
#else
  private let ipv6Protocol = Int32(IPPROTO_IPV6)
#endif
