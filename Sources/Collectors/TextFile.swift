import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// One kernel file, held open and read whole by one pread per acquisition.
@safe
final class TextFile {
  private let descriptor: OwnedDescriptor
  /// Memory of its own rather than an array: a sampling thread then meets no exclusivity check.
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  let path: String

  /// Opens `path` and sizes the buffer to four times its present length: a kernel file grows
  /// with its numbers' digits and with hotplug.
  init(path: String, collector: String) throws(LBError) {
    self.path = path
    do throws(SystemError) {
      let first = try SmallFile.read(path)
      descriptor = try OwnedDescriptor(open: path, O_RDONLY)
      unsafe buffer = .allocate(capacity: max(4096, first.count * 4))
      unsafe buffer.initialize(repeating: 0)
    } catch {
      throw LBError(
        .collectorUnavailable,
        "\(collector): \(path) cannot be read: \(error.reason); see lbsample doctor",
        context: ErrorContext(collector: collector, path: path, errno: error.errno))
    }
  }

  deinit { unsafe buffer.deallocate() }

  /// Reads the file and hands the bytes to `parse`. The outcome is the parser's, or says why
  /// there was nothing to parse. Allocates nothing.
  @inline(__always)
  func read(_ parse: (Span<UInt8>) throws(KernelTextError) -> Void) -> AcquisitionOutcome {
    var room = unsafe buffer.mutableSpan
    let count = descriptor.readFromStart(into: &room)
    guard count >= 0 else { return Self.outcome(ofErrno: Int32(-count)) }
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
