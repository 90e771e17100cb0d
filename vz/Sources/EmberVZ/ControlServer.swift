import Foundation

/// Commands to a machine over a Unix socket: one JSON object per line, answered by one each.
/// {"do":"status"|"start"|"pause"|"resume"|"press"|"stop"|"save"|"restore","path":...} -> {"state":...} or {"state":"failed","code":...,"message":...}
public final class ControlServer: @unchecked Sendable {
  public typealias Answer = @MainActor @Sendable (Command) async throws -> Report

  public struct Command: Codable, Equatable, Sendable {
    public let `do`: String
    public let path: String?
  }

  private let server: SocketServer

  /// Listens from now on. Throws what `UnixSocket.listen` throws.
  public init(path: String, answer: @escaping Answer) throws {
    server = try SocketServer(path: path) { converse($0, answer) }
  }

  public func close() { server.close() }
}

private func converse(_ connection: Int32, _ answer: @escaping ControlServer.Answer) {
  defer { close(connection) }
  while let line = try? Stream.line(connection, limit: 65_536) {
    let report = reply(line, answer)
    guard (try? Stream.write(connection, report.line)) != nil else { return }
  }
}

private func reply(_ line: String, _ answer: @escaping ControlServer.Answer) -> Report {
  guard let command = try? JSONDecoder().decode(ControlServer.Command.self, from: Data(line.utf8)) else {
    return Report(Failure(.usage, "that is no command", hint: "{\"do\":\"status\"}"))
  }
  let done = DispatchSemaphore(value: 0)
  let result = Box(Report())
  Task { @MainActor in
    do {
      result.value = try await answer(command)
    } catch let failure as Failure {
      result.value = Report(failure)
    } catch {
      result.value = Report(Failure(.system, "\(error)"))
    }
    done.signal()
  }
  done.wait()
  return result.value
}

/// Handed from one thread to another, which waits.
private final class Box: @unchecked Sendable {
  var value: Report
  init(_ value: Report) { self.value = value }
}
