import Foundation

/// Reads and writes of a descriptor that go on after signals and partial results.
enum Stream {
  /// At most `count` bytes; empty at the end.
  static func read(_ descriptor: Int32, _ count: Int) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    while true {
      let received = systemRead(descriptor, &buffer, count)
      if received >= 0 { return Array(buffer[..<received]) }
      if errno != EINTR { throw systemFailure("read") }
    }
  }

  static func write(_ descriptor: Int32, _ bytes: some Sequence<UInt8>) throws {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
      if sent >= 0 {
        rest = rest.dropFirst(sent)
      } else if errno != EINTR {
        throw systemFailure("write")
      }
    }
  }

  /// One line without its end, byte by byte, so that nothing of what follows is taken. Nil when there is none in `limit`.
  /// Throws `refused` when it has not come by the deadline.
  static func line(_ descriptor: Int32, limit: Int, by deadline: Date? = nil) throws -> String? {
    var bytes: [UInt8] = []
    while bytes.count < limit {
      if let deadline, !isReadable(descriptor, by: deadline) { throw Failure(.refused, "no answer in time") }
      guard let byte = try read(descriptor, 1).first else { return nil }
      if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(byte)
    }
    return nil
  }

  private static func isReadable(_ descriptor: Int32, by deadline: Date) -> Bool {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      let milliseconds = Int32(max(0, deadline.timeIntervalSinceNow) * 1000)
      let count = poll(&wanted, 1, milliseconds)
      if count >= 0 || errno != EINTR { return count > 0 }
    }
  }

  /// Passes on what comes, in both directions, until both have ended; then closes both.
  static func join(_ one: Int32, _ other: Int32) {
    let group = DispatchGroup()
    for (from, to) in [(one, other), (other, one)] {
      group.enter()
      Thread.detachNewThread {
        pass(from, to)
        group.leave()
      }
    }
    group.notify(queue: .global()) {
      close(one)
      close(other)
    }
  }

  private static func pass(_ from: Int32, _ to: Int32) {
    while let bytes = try? read(from, 65_536), !bytes.isEmpty {
      guard (try? write(to, bytes)) != nil else {
        shutdown(from, Int32(SHUT_RD))  // nobody takes any more
        break
      }
    }
    shutdown(to, Int32(SHUT_WR))
  }
}

private let systemRead = read
private let systemWrite = write
