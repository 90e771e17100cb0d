import Foundation

/// One sender's way to the guest. What it sends before that is there waits.
final class DatagramClient: @unchecked Sendable {
  /// More are lost, as datagrams may be.
  private static let mostWaiting = 64

  private let lock = NSLock()
  private var guest: Int32?
  private var waiting: [[UInt8]] = []

  func send(_ datagram: [UInt8]) {
    lock.lock()
    defer { lock.unlock() }
    if let guest {
      Self.pass(datagram, guest)
    } else if waiting.count < Self.mostWaiting {
      waiting.append(datagram)
    }
  }

  /// The descriptor belongs to this client from now on.
  func open(_ guest: Int32) {
    lock.lock()
    defer { lock.unlock() }
    self.guest = guest
    for datagram in waiting { Self.pass(datagram, guest) }
    waiting = []
  }

  func close() {
    lock.lock()
    defer { lock.unlock() }
    if let guest { _ = systemClose(guest) }
    guest = nil
  }

  /// One datagram of the guest's; nil at the end.
  static func receive(_ guest: Int32) -> [UInt8]? {
    guard let header = exactly(2, guest) else { return nil }
    return exactly(Int(header[0]) << 8 | Int(header[1]), guest)
  }

  private static func pass(_ datagram: [UInt8], _ guest: Int32) {
    let header = [UInt8(datagram.count >> 8), UInt8(datagram.count & 0xff)]
    try? Stream.write(guest, header + datagram)  // its reader learns of an end
  }

  private static func exactly(_ count: Int, _ guest: Int32) -> [UInt8]? {
    var bytes: [UInt8] = []
    while bytes.count < count {
      guard let more = try? Stream.read(guest, count - bytes.count), !more.isEmpty else { return nil }
      bytes += more
    }
    return bytes
  }
}

private let systemClose = close
