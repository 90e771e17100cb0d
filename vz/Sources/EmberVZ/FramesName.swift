import Foundation

/// Where this process takes the frames of the network at `path`: a name beside that.
public func ownFramesName(_ path: String) -> String { "\(path).\(getpid())" }

/// Such names that processes have left which are gone: killed ones remove nothing.
public func abandonedFramesNames(_ path: String) -> [String] {
  let network = URL(fileURLWithPath: path)
  let folder = network.deletingLastPathComponent()
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
  let prefix = network.lastPathComponent + "."
  return names.filter { $0.hasPrefix(prefix) && Int32($0.dropFirst(prefix.count)) != nil }
    .map { folder.appendingPathComponent($0).path }
    .filter(UnixSocket.isAbandoned)
}
