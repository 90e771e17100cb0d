import Foundation

public struct VZError: Error, LocalizedError {
  public enum Code: Int {
    case internalError = 1
    case invalidVirtualMachineConfiguration, invalidVirtualMachineState, invalidVirtualMachineStateTransition
    case invalidDiskImage, virtualMachineLimitExceeded, networkError, outOfDiskSpace, operationCancelled
    case notSupported, save, restore
  }

  public let code: Code
  private let text: String

  init(_ code: Code, _ text: String) {
    self.code = code
    self.text = text
  }

  public var errorDescription: String? { text }
}
