import EmberVZ
import Foundation
import Virtualization

/// Apple's Virtualization framework.
@MainActor
public final class AppleFramework: Framework {
  public init() {}

  public func limits() throws -> Limits {
    guard VZVirtualMachine.isSupported else {
      throw Failure(
        .unsupported, "this host cannot run virtual machines",
        hint: "a virtual machine runs another only on macOS 15 with an M3 or newer")
    }
    let memory = (
      least: VZVirtualMachineConfiguration.minimumAllowedMemorySize,
      most: VZVirtualMachineConfiguration.maximumAllowedMemorySize
    )
    return Limits(
      cpus: VZVirtualMachineConfiguration.minimumAllowedCPUCount...VZVirtualMachineConfiguration
        .maximumAllowedCPUCount,
      memoryMiB: max(1, Int(memory.least >> 20))...Int(memory.most >> 20))
  }

  public func makeMachine(_ spec: MachineSpec) throws -> any Machine {
    let configuration = try describe(spec)
    do {
      try configuration.validate()
    } catch {
      throw translate(error, "the machine was refused")
    }
    return AppleMachine(configuration)
  }
}
