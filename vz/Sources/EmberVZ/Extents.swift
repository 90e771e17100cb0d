import Foundation

/// Where a file's data lies on its volume: what two clones share has the same place.
public struct Extent: Codable, Equatable, Sendable {
  /// Bytes from the beginning of the file, of the volume, and how many.
  public let offset: Int64
  public let place: Int64
  public let length: Int64
}

private struct FileExtents: Codable {
  let path: String
  let sizeBytes: Int64
  let extents: [Extent]
}

/// {"files":[{"path":...,"sizeBytes":...,"extents":[{"offset":...,"place":...,"length":...}]}]}, in the order asked for.
public func extentsJSON(_ paths: [String]) throws -> String {
  guard !paths.isEmpty else { throw Failure(.usage, "'extents' wants at least one file") }
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  let files = try paths.map { path in
    let (sizeBytes, extents) = try extentsOf(path)
    return FileExtents(path: path, sizeBytes: sizeBytes, extents: extents)
  }
  return String(decoding: try encoder.encode(["files": files]), as: UTF8.self)
}

/// Holes have no extent. Throws `not-found`, `system`.
public func extentsOf(_ path: String) throws -> (sizeBytes: Int64, extents: [Extent]) {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
  guard descriptor >= 0 else { throw Failure(.notFound, "there is no file '\(path)' that can be read") }
  defer { close(descriptor) }
  var facts = stat()
  guard fstat(descriptor, &facts) == 0 else { throw systemFailure("look at '\(path)'") }
  var extents: [Extent] = []
  for data in dataRanges(descriptor, sizeBytes: Int64(facts.st_size)) {
    var offset = data.lowerBound
    while offset < data.upperBound {
      guard let found = systemExtent(descriptor, offset, data.upperBound - offset) else {
        throw systemFailure("find where '\(path)' lies")
      }
      extents.append(found)
      offset += max(1, found.length)
    }
  }
  return (Int64(facts.st_size), joined(extents))
}

/// What of the file is no hole.
private func dataRanges(_ descriptor: Int32, sizeBytes: Int64) -> [Range<Int64>] {
  var ranges: [Range<Int64>] = []
  var offset: Int64 = 0
  while offset < sizeBytes {
    let data = Int64(lseek(descriptor, off_t(offset), seekData))
    if data < 0 { break }  // ENXIO: there is none any more
    let hole = Int64(lseek(descriptor, off_t(data), seekHole))
    ranges.append(data..<(hole < 0 ? sizeBytes : hole))
    offset = ranges[ranges.count - 1].upperBound
  }
  return ranges
}

/// Extents that go on in the next are one.
private func joined(_ extents: [Extent]) -> [Extent] {
  extents.reduce(into: []) { all, next in
    if let last = all.last, last.offset + last.length == next.offset, last.place + last.length == next.place {
      all[all.count - 1] = Extent(offset: last.offset, place: last.place, length: last.length + next.length)
    } else {
      all.append(next)
    }
  }
}
