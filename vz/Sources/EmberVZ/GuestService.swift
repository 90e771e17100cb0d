import Foundation

/// Asks the guest's agent for one of the guest's services, or for its end.
enum GuestService {
  /// Longer than the guest's own patience with a service (guest/internal/publish/serve.go).
  private static let answerSeconds = 15.0

  /// A connection that leads to it, in pieces both ways. The caller owns the descriptor. Throws when the guest cannot be
  /// reached, and `refused` with the guest's reason when nobody listens there, or without one when the guest is silent.
  static func connect(_ machine: any Machine, _ forward: Forward) async throws -> Int32 {
    try await ask(machine, "\(forward.transport.rawValue) \(forward.guestPort)")
  }

  /// Post-condition: the guest has begun to turn itself off. Throws when it cannot be asked to.
  static func stop(_ machine: any Machine) async throws {
    close(try await ask(machine, "stop"))
  }

  private static func ask(_ machine: any Machine, _ request: String) async throws -> Int32 {
    let guest = try await machine.connect(port: publishPort)
    ignoreBrokenPipes(guest)
    return try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try greet(guest, request) }) }
    }
  }

  private static func greet(_ guest: Int32, _ request: String) throws -> Int32 {
    do {
      try Stream.write(guest, "\(request)\n".utf8)
      let answer = try Stream.line(guest, limit: 1024, by: Date() + answerSeconds) ?? "the guest hung up"
      guard answer == "OK" else { throw Failure(.refused, answer) }
      return guest
    } catch {
      close(guest)
      throw error
    }
  }
}
