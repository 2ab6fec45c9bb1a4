import Glibc
import LinuxSystem
import Sampler

/// Checks once a second whether the set of online CPUs has changed. Allocates nothing.
@safe
final class OnlineWatch {
  private let descriptor: OwnedDescriptor
  /// The original text, and room to read it again.
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  private var length = 0
  private var lookedAt: UInt64
  private static let period: UInt64 = 1_000_000_000
  /// Bytes of the list of ranges of any host.
  private static let room = 4096

  /// Nil if the list of CPUs cannot be read.
  init?(_ context: CollectorContext) {
    do throws(SystemError) {
      descriptor = try OwnedDescriptor(
        open: context.roots.sys("devices/system/cpu/online"), O_RDONLY)
    } catch {
      return nil
    }
    unsafe bytes = .allocate(capacity: Self.room * 2)
    unsafe bytes.initialize(repeating: 0)
    lookedAt = Clock.monotonic()
    length = read(at: 0)
  }

  deinit { unsafe bytes.deallocate() }

  private func read(at start: Int) -> Int {
    // Safe: both halves of the memory have this much room.
    unsafe pread(descriptor.number, bytes.baseAddress.unsafelyUnwrapped + start, Self.room, 0)
  }

  /// Whether a CPU was added or removed.
  func hasChanged(_ calls: inout UInt64) -> Bool {
    let now = Clock.monotonic()
    guard now &- lookedAt >= Self.period else { return false }
    lookedAt = now
    calls &+= 1
    let count = read(at: Self.room)
    guard count == length else { return count > 0 }
    for index in 0..<max(0, count) where unsafe bytes[index] != bytes[Self.room + index] {
      return true
    }
    return false
  }
}
