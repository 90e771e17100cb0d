import Foundation

/// One line of JSON: how a start went, or the answer to a command.
public struct Report: Codable, Equatable, Sendable {
  public var state: String?
  public var mac: String?
  public var code: String?
  public var message: String?
  public var hint: String?

  public init(state: String? = nil, mac: String? = nil) {
    self.state = state
    self.mac = mac
  }

  public init(_ failure: Failure) {
    state = "failed"
    code = failure.code.rawValue
    message = failure.message
    hint = failure.hint
  }

  /// With its line end.
  public var line: Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = (try? encoder.encode(self)) ?? Data("{}".utf8)  // strings alone: it cannot fail
    return text + Data("\n".utf8)
  }
}
