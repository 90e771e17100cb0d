import Foundation

/// One sender's way to the guest. What it sends before that is there waits.
final class DatagramClient: @unchecked Sendable {
  /// More are lost, as datagrams may be.
  private static let mostWaiting = 64

  private let lock = NSLock()
  private var guest: Int32?
  private var waiting: [[UInt8]] = []
  private var isOver = false

  func send(_ datagram: [UInt8]) {
    lock.lock()
    defer { lock.unlock() }
    if let guest {
      try? Pieces.send(datagram, guest)  // its reader learns of an end
    } else if waiting.count < Self.mostWaiting {
      waiting.append(datagram)
    }
  }

  /// The descriptor belongs to this client from now on.
  func open(_ guest: Int32) {
    lock.lock()
    defer { lock.unlock() }
    self.guest = guest
    for datagram in waiting { try? Pieces.send(datagram, guest) }
    waiting = []
    if isOver { shutdown(guest, Int32(SHUT_RDWR)) }
  }

  /// Who reads from the guest learns of the end, and closes then.
  func hangUp() {
    lock.lock()
    defer { lock.unlock() }
    isOver = true
    if let guest { shutdown(guest, Int32(SHUT_RDWR)) }
  }

  func close() {
    lock.lock()
    defer { lock.unlock() }
    if let guest { _ = systemClose(guest) }
    guest = nil
  }
}

private let systemClose = close
