import Foundation

/// What goes between ember-vz and a service of the guest: two bytes of length (big endian), and so many bytes. A piece is a
/// datagram, or some of a stream; then one of no length ends what its side says, since not every framework closes one
/// direction of vsock alone.
enum Pieces {
  static let most = 65_535

  /// Nil at the end of the connection.
  static func receive(_ guest: Int32) -> [UInt8]? {
    guard let header = exactly(2, guest) else { return nil }
    return exactly(Int(header[0]) << 8 | Int(header[1]), guest)
  }

  static func send(_ piece: [UInt8], _ guest: Int32) throws {
    try Stream.write(guest, [UInt8(piece.count >> 8), UInt8(piece.count & 0xff)] + piece)
  }

  /// Passes on what a client of a stream and the guest say, until both have ended or one is gone; then closes both,
  /// and calls `finish`.
  static func join(_ client: Int32, _ guest: Int32, then finish: @escaping @Sendable () -> Void = {}) {
    let group = DispatchGroup()
    for direction in [{ toGuest(client, guest) }, { toClient(client, guest) }] {
      group.enter()
      Thread.detachNewThread {
        direction()
        group.leave()
      }
    }
    group.notify(queue: .global()) {
      close(client)
      close(guest)
      finish()
    }
  }

  private static func toGuest(_ client: Int32, _ guest: Int32) {
    while let bytes = try? Stream.read(client, most) {
      guard (try? send(bytes, guest)) != nil else { break }
      if bytes.isEmpty { return }
    }
    shutdown(guest, Int32(SHUT_RDWR))  // ends the other direction too
  }

  private static func toClient(_ client: Int32, _ guest: Int32) {
    while let bytes = receive(guest) {
      if bytes.isEmpty {
        shutdown(client, Int32(SHUT_WR))
        return
      }
      guard (try? Stream.write(client, bytes)) != nil else { break }
    }
    shutdown(client, Int32(SHUT_RDWR))
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
