import Foundation

/// Hands frames on between a descriptor and a socket of QEMU's, which a child cannot be given the descriptor of.
final class FrameRelay: @unchecked Sendable {
  private let own: Int32

  /// Bound at `own` from now on; QEMU will be at `qemu`.
  init(_ frames: Int32, own path: String, qemu: String) throws {
    let own = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    self.own = own
    let bound = Self.with(path) { bind(own, $0, $1) }
    guard own >= 0, bound == 0 else { throw VZError(.networkError, "\(path): \(String(cString: strerror(errno)))") }
    Thread.detachNewThread { Self.pass { read(own, $0, $1) } to: { write(frames, $0, $1) } }
    Thread.detachNewThread {
      Self.pass { read(frames, $0, $1) } to: { bytes, count in
        Int(Self.with(qemu) { Int32(sendto(own, bytes, count, 0, $0, $1)) })
      }
    }
  }

  func close() { _ = shutdown(own, Int32(SHUT_RDWR)) }

  private static func pass(
    _ take: (UnsafeMutableRawPointer, Int) -> Int, to give: (UnsafeRawPointer, Int) -> Int
  ) {
    var frame = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = take(&frame, frame.count)
      if count <= 0 { return }
      _ = give(frame, count)  // frames may be lost
    }
  }

  private static func with(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }
}
