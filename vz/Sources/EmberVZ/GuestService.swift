import Foundation

/// Asks the guest's agent for one of the guest's services.
enum GuestService {
  /// A connection that leads to it, in pieces both ways. The caller owns the descriptor. Throws when the guest cannot be reached, and `refused` with the guest's reason when nobody listens there.
  static func connect(_ machine: any Machine, _ forward: Forward) async throws -> Int32 {
    let guest = try await machine.connect(port: publishPort)
    ignoreBrokenPipes(guest)
    return try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try greet(guest, forward) }) }
    }
  }

  private static func greet(_ guest: Int32, _ forward: Forward) throws -> Int32 {
    do {
      try Stream.write(guest, "\(forward.transport.rawValue) \(forward.guestPort)\n".utf8)
      let answer = try Stream.line(guest, limit: 1024) ?? "the guest hung up"
      guard answer == "OK" else { throw Failure(.refused, answer) }
      return guest
    } catch {
      close(guest)
      throw error
    }
  }
}
