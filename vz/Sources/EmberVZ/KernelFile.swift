import Foundation

/// Checks that the framework can boot what lies there: it says no more than "invalid" itself, and that late.
/// Throws `not-found`, `kernel-invalid`.
public func checkKernel(_ path: String, architecture: String = hostArchitecture) throws {
  guard let file = FileHandle(forReadingAtPath: path) else {
    throw Failure(.notFound, "there is no kernel '\(path)' that can be read")
  }
  defer { try? file.close() }
  let head = (try? file.read(upToCount: 1024)) ?? Data()  // nil for an empty file
  let bytes = [UInt8](head)
  if bytes.starts(with: [0x1f, 0x8b]) || bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) {
    throw invalid(path, "is compressed", architecture)
  }
  let bootable =
    architecture == "arm64"
    ? magic(bytes, at: 56) == "ARM\u{64}"  // Documentation/arch/arm64/booting.rst
    : magic(bytes, at: 0x202) == "HdrS"  // Documentation/arch/x86/boot.rst
  if bootable { return }
  if architecture == "arm64", bytes.starts(with: Array("MZ".utf8)), magic(bytes, at: 4) == "zimg" {
    throw invalid(path, "is a compressed EFI image", architecture)
  }
  throw invalid(path, "is no kernel for \(architecture)", architecture)
}

private func magic(_ bytes: [UInt8], at offset: Int) -> String? {
  guard bytes.count >= offset + 4 else { return nil }
  return String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
}

private func invalid(_ path: String, _ what: String, _ architecture: String) -> Failure {
  let wanted = architecture == "arm64" ? "an uncompressed Image" : "a bzImage"
  return Failure(.kernelInvalid, "'\(path)' \(what)", hint: "it must be \(wanted): see 'ember kernel list'")
}

/// As images name it. Guests are of the host's architecture: virtualisation does not change it.
public let hostArchitecture: String = {
  #if arch(arm64)
    return "arm64"
  #else
    return "x86_64"
  #endif
}()
