extension Failure {
  /// By which ember's core tells why a clone was not made: it reads no sentences. 1 for what it treats alike.
  public var exitStatus: Int32 {
    switch code {
    case .usage: return 2
    case .exists: return 10
    case .otherVolume: return 11
    case .cannotClone: return 12
    case .diskFull: return 13
    case .notFound: return 14
    default: return 1
    }
  }
}
