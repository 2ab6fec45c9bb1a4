import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// One kernel file, held open and read whole at each acquisition.
///
/// Most files of /proc come as a sequence of records (seq_file), of which one read gives as many
/// whole ones as fit a page: a longer file takes several reads, until one gives nothing.
@safe
final class TextFile {
  private let descriptor: OwnedDescriptor
  /// Memory of its own rather than an array: a sampling thread then meets no exclusivity check.
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  let path: String
  /// System calls of the last read.
  private(set) var callCount: UInt64 = 0
  /// It is a file of the kernel's proc file system, not of one that is mounted over it.
  let isOnProc: Bool
  /// The kernel gives this file whole in one read (single_open).
  private let comesWhole: Bool
  /// A first read below this leaves room in the kernel's page for any further record: there was
  /// none. Half the smallest page; no line of a table is that long.
  private static let surelyWhole = 2048

  /// Opens `path` and sizes the buffer to four times its present length: a kernel file grows
  /// with its numbers' digits and with hotplug.
  init(path: String, collector: String, comesWhole: Bool) throws(LBError) {
    self.path = path
    self.comesWhole = comesWhole
    do throws(SystemError) {
      descriptor = try OwnedDescriptor(open: path, O_RDONLY)
      isOnProc = descriptor.isOnProc()
      unsafe buffer = .allocate(capacity: max(4096, try Self.length(path) * 4))
      unsafe buffer.initialize(repeating: 0)
    } catch {
      throw LBError(
        .collectorUnavailable,
        "\(collector): \(path) cannot be read: \(error.reason); see lbsample doctor",
        context: ErrorContext(collector: collector, path: path, errno: error.errno))
    }
  }

  deinit { unsafe buffer.deallocate() }

  /// Bytes of the file now. Some attributes open and refuse to be read while their device is down
  /// (EINVAL for a link's speed): those count as empty, and may read later.
  private static func length(_ path: String) throws(SystemError) -> Int {
    do throws(SystemError) {
      return try SmallFile.read(path).count
    } catch {
      if error.errno == EACCES || error.errno == EPERM { throw error }
      return 0
    }
  }

  /// Reads the file and hands the bytes to `parse`. The outcome is the parser's, or says why
  /// there was nothing to parse. Allocates nothing.
  @inline(__always)
  func read(_ parse: (Span<UInt8>) throws(KernelTextError) -> Void) -> AcquisitionOutcome {
    var room = unsafe buffer.mutableSpan
    var count = 0
    var calls: UInt64 = 0
    while count < room.count {
      let more = descriptor.read(into: &room, at: count)
      calls &+= 1
      guard more >= 0 else {
        callCount = calls
        return Self.outcome(ofErrno: Int32(-more))
      }
      count += more
      if more == 0 || comesWhole || (calls == 1 && count < Self.surelyWhole) { break }
    }
    callCount = calls
    // A full buffer may have cut the text: the rest is not ours to guess.
    guard unsafe count < buffer.count else { return .truncated }
    guard count > 0 else { return .absent }
    let text = unsafe UnsafeBufferPointer(rebasing: buffer[..<count]).span
    do throws(KernelTextError) {
      try parse(text)
      return .complete
    } catch {
      switch error {
      case .truncated: return .truncated
      case .layoutChanged: return .layoutChanged
      case .malformed: return .malformed
      }
    }
  }

  private static func outcome(ofErrno errno: Int32) -> AcquisitionOutcome {
    switch errno {
    case EACCES, EPERM: .denied
    default: .absent
    }
  }
}

/// Whether a kernel file can be opened and read here, as a collector's probe says it.
func probeTextFile(_ path: String) -> Availability {
  do throws(SystemError) {
    let bytes = try SmallFile.read(path)
    return bytes.isEmpty ? .absent(reason: "\(path) is empty") : .available
  } catch {
    switch error.errno {
    case EACCES, EPERM:
      return .denied(
        reason: "\(path): \(error.reason)", fix: "run as root, or grant read access to \(path)")
    default: return .absent(reason: "\(path): \(error.reason)")
    }
  }
}
