import CLinux
import Glibc

/// The smallest possible program: it exits, without a library, an interpreter or a page of data. It
/// is a file in memory (memfd_create(2)).
package final class EmptyProgram {
  private let file: OwnedDescriptor

  /// Nil if the file cannot be made, or on an unsupported processor.
  package init?() {
    guard let code = Self.code else { return nil }
    let image = Self.image(of: code)
    let descriptor = lb_memory_file(0)
    guard descriptor >= 0 else { return nil }
    file = OwnedDescriptor(owning: descriptor)
    do throws(SystemError) { try writeAll(image.span, to: file.number) } catch { return nil }
  }

  /// Calls `body` with its path, which only processes with access to this one's /proc/PID/fd can
  /// execute.
  package func withPath<Result>(_ body: (String) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body("/proc/\(getpid())/fd/\(file.number)") }
  }

  /// The code of exit_group(0); nil for an unsupported processor.
  private static var code: [UInt8]? {
    #if arch(x86_64)
      // mov $231, %eax; xor %edi, %edi; syscall
      return [0xB8, 0xE7, 0, 0, 0, 0x31, 0xFF, 0x0F, 0x05]
    #elseif arch(arm64)
      // mov x0, #0; mov x8, #94; svc #0
      return [0, 0, 0x80, 0xD2, 0xC8, 0x0B, 0x80, 0xD2, 0x01, 0, 0, 0xD4]
    #else
      return nil
    #endif
  }

  /// An ELF file (elf(5)) of one segment: headers, then code.
  private static func image(of code: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    func add<Number: FixedWidthInteger>(_ numbers: Number...) {
      for number in numbers {
        for byte in 0..<Number.bitWidth / 8 {
          bytes.append(UInt8(truncatingIfNeeded: number >> (8 * Number(byte))))
        }
      }
    }
    #if arch(arm64)
      let machine: UInt16 = 183
    #else
      let machine: UInt16 = 62
    #endif
    let (base, headers): (UInt64, UInt64) = (0x40_0000, 64 + 56)
    let size = headers + UInt64(code.count)
    bytes = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    // An executable, version 1; its entry, where program and section headers are; flags.
    add(UInt16(2), machine)
    add(UInt32(1))
    add(base + headers, 64, UInt64(0))
    add(UInt32(0))
    // Sizes and numbers of headers.
    add(UInt16(64), 56, 1, 0, 0, 0)
    // One segment to load, readable and executable, page-aligned.
    add(UInt32(1), 5)
    add(UInt64(0), base, base, size, size, 0x1_0000)
    return bytes + code
  }
}
