/// What went wrong, as ember tells it: a code for programs, a sentence, and what to do about it.
public struct Failure: Error, Equatable, CustomStringConvertible {
  /// Codes are for ever: ember's core maps them to its own.
  public enum Code: String, Sendable {
    case usage
    case notFound = "not-found"
    case kernelInvalid = "kernel-invalid"
    case limitExceeded = "limit-exceeded"
    case notEntitled = "not-entitled"
    case unsupported
    case busy
    case refused
    case exists
    case otherVolume = "other-volume"
    case cannotClone = "cannot-clone"
    case diskFull = "disk-full"
    case portTaken = "port-taken"
    case system
  }

  public let code: Code
  public let message: String
  public let hint: String?

  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  public var description: String {
    hint.map { "\(message)\n  \($0)" } ?? message
  }
}
