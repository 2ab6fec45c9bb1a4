import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// The armed half of every collector of kernel texts: open files, read from their starts into the
/// ring. What stands in them is `TextDecoder`'s business.
@safe
final class ArmedTexts: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// One open file, in as few bytes as a tick needs.
  struct File {
    let descriptor: Int32
    let delivery: RawBody.Delivery
    /// Bytes to ask for: four times those of the first reading.
    var request = Int32(RawBody.firstRequest)
    /// It is a directory, of which the number of entries is read.
    let isFolder: Bool
    /// Where it can be replaced by another file: that one is read then, opened for each reading.
    let watch: WatchedPath?
  }

  /// Memory of its own rather than an array: a sampling thread then meets no exclusivity check.
  private let files: UnsafeMutableBufferPointer<File>
  private let owned: DescriptorList
  private let paths: [String]
  private let allOnProc: Bool

  /// Reads the sources that `owned` has open; `decoder` knows them.
  init(
    _ files: [File], owned: DescriptorList, paths: [String], isOnProc: Bool,
    decoder: TextDecoder, readingWords: Int, notes: [String]
  ) {
    unsafe self.files = .allocate(capacity: files.count)
    _ = unsafe self.files.initialize(from: files)
    self.owned = owned
    self.paths = paths
    allOnProc = isOnProc
    super.init(decoder: decoder, readingWords: readingWords, notes: notes)
  }

  deinit { unsafe files.deallocate() }

  override func read(into body: inout RawBody) {
    for index in unsafe files.indices { unsafe Self.read(files[index], into: &body) }
  }

  /// Bytes to ask for of a file that had `firstBytes`: what has grown by more is asked for in
  /// pieces.
  static func request(firstBytes: Int) -> Int32 {
    Int32(clamping: max(4096, (firstBytes * 4 + 4095) / 4096 * 4096))
  }

  /// One source's part.
  @inline(__always)
  static func read(_ file: File, into body: inout RawBody) {
    if let watch = file.watch, watch.isAnother {
      let now = watch.open()
      guard now >= 0 else { return body.number(0, failure: -now) }
      body.text(now, file.delivery, request: Int(file.request))
      _ = Glibc.close(now)
      return
    }
    guard file.isFolder else {
      return body.text(file.descriptor, file.delivery, request: Int(file.request))
    }
    if let count = RawDirectory.size(file.descriptor) {
      body.number(count)
    } else {
      body.number(0, failure: ENOENT)
    }
  }

  override var isOnProc: Bool { allOnProc }

  override var sourcePaths: [String] { paths }

  override func disarm() { owned.close() }
}
