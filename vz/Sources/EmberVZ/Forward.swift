/// A port of the host that leads to one of the guest: Apple's network forwards none.
public struct Forward: Equatable, Sendable {
  public enum Transport: String, Sendable { case tcp, udp }

  public let transport: Transport
  /// Of the host, in numbers.
  public let address: String
  public let hostPort: UInt16
  public let guestPort: UInt16

  /// As messages call it: "port 8080/tcp of 127.0.0.1".
  var title: String { "port \(hostPort)/\(transport.rawValue) of \(address)" }
}

/// The guest's vsock port where its agent leads to the guest's own services (guest/internal/publish).
let publishPort: UInt32 = 1023

/// "tcp:127.0.0.1:8080:80", "udp:[::1]:53:53". Nil for what is none.
func parseForward(_ text: String) -> Forward? {
  guard let first = text.firstIndex(of: ":"), let transport = Forward.Transport(rawValue: String(text[..<first]))
  else { return nil }
  let rest = text[text.index(after: first)...].split(separator: ":", omittingEmptySubsequences: false)
  guard rest.count >= 3, let guest = UInt16(rest[rest.count - 1]), let host = UInt16(rest[rest.count - 2]),
    guest > 0, host > 0
  else { return nil }
  var address = rest.dropLast(2).joined(separator: ":")
  if address.hasPrefix("["), address.hasSuffix("]") {
    address = String(address.dropFirst().dropLast())
  } else if address.contains(":") {
    return nil
  }
  guard !address.isEmpty else { return nil }
  return Forward(transport: transport, address: address, hostPort: host, guestPort: guest)
}
