import Foundation

public class VZSocketDevice {}

public class VZVirtioSocketDevice: VZSocketDevice {
  private let path: String
  private let queue: DispatchQueue

  init(_ path: String, _ queue: DispatchQueue) {
    self.path = path
    self.queue = queue
  }

  public func connect(
    toPort port: UInt32,
    completionHandler: @escaping (Result<VZVirtioSocketConnection, any Error>) -> Void
  ) {
    DispatchQueue.global().async { [path, queue] in
      let result = Result<VZVirtioSocketConnection, any Error> {
        let stream = try UnixStream(connectingTo: path)
        try stream.write("CONNECT \(port)\n")
        guard try stream.line()?.hasPrefix("OK ") == true else {
          throw VZError(.internalError, "Connection reset by peer")
        }
        return VZVirtioSocketConnection(stream, port)
      }
      queue.async { completionHandler(result) }
    }
  }
}

/// Closes its descriptor when it goes, as Apple's does.
public class VZVirtioSocketConnection {
  public let fileDescriptor: Int32
  public let destinationPort: UInt32
  private let stream: UnixStream

  init(_ stream: UnixStream, _ port: UInt32) {
    self.stream = stream
    fileDescriptor = stream.descriptor
    destinationPort = port
  }
}
