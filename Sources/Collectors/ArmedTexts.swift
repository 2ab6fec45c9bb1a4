import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// The armed half of every collector of kernel texts: open files, read from their beginning into
/// the ring. `TextDecoder` parses them.
@safe
final class ArmedTexts: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.

  /// One open file, in the few bytes that a tick needs.
  struct File {
    let descriptor: Int32
    let delivery: RawBody.Delivery
    /// Bytes to request: four times those of the first reading.
    var request = Int32(RawBody.firstRequest)
    /// It is a directory whose number of entries is read.
    let isFolder: Bool
    /// A watch, if another file can replace it: the new one is then opened for each reading.
    let watch: WatchedPath?
  }

  /// Allocated memory rather than an array, to avoid exclusivity checks.
  private let files: UnsafeMutableBufferPointer<File>
  private let owned: DescriptorList
  private let paths: [String]
  private let allOnProc: Bool

  /// Reads the open sources in `owned`; `decoder` decodes them.
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

  /// Bytes to request of a file that first had `firstBytes`; the rest of a larger text is read in
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
