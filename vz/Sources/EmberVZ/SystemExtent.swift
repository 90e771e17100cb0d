import Foundation

#if canImport(Darwin)
  let seekData = SEEK_DATA
  let seekHole = SEEK_HOLE

  /// The extent in which `offset` lies, at most `length` bytes of it (F_LOG2PHYS_EXT of fcntl(2)); nil sets errno.
  func systemExtent(_ descriptor: Int32, _ offset: Int64, _ length: Int64) -> Extent? {
    var query = log2phys(l2p_flags: 0, l2p_contigbytes: off_t(length), l2p_devoffset: off_t(offset))
    guard fcntl(descriptor, F_LOG2PHYS_EXT, &query) == 0 else { return nil }
    let found = min(Int64(query.l2p_contigbytes), length)
    return Extent(offset: offset, place: Int64(query.l2p_devoffset), length: found)
  }
#else
  let seekData = Int32(3)
  let seekHole = Int32(4)

  /// _IOWR('f', 11, struct fiemap) of linux/fs.h: a head of 32 bytes, then extents of 56.
  private let fiemap: UInt = 0xC020_660B

  /// The extent in which `offset` lies, at most `length` bytes of it (Documentation/filesystems/fiemap.rst).
  func systemExtent(_ descriptor: Int32, _ offset: Int64, _ length: Int64) -> Extent? {
    var query = [UInt64](repeating: 0, count: 11)
    query[0] = UInt64(offset)
    query[1] = UInt64(length)
    query[2] = 1  // fm_flags: FIEMAP_FLAG_SYNC; fm_mapped_extents follows in the same word
    query[3] = 1  // fm_extent_count
    guard ioctl(descriptor, fiemap, &query) == 0 else { return nil }
    guard query[2] >> 32 > 0 else {
      errno = ENODATA
      return nil
    }
    let skipped = UInt64(offset) - query[4]  // fe_logical, fe_physical, fe_length
    return Extent(
      offset: offset, place: Int64(query[5] + skipped), length: min(Int64(query[6] - skipped), length))
  }
#endif
