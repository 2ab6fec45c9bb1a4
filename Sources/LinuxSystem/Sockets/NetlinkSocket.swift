import CLinux
import Glibc

/// A netlink(7) socket with a receive buffer of its own: opened and asked at arm time, read without
/// waiting or allocating.
@safe
final class NetlinkSocket {
  /// What there was to receive.
  enum Reception {
    /// One message of the kernel; its bytes stand in `message`.
    case message(Int)
    case nothing
    /// The socket's buffer was full: messages are gone, nobody knows how many.
    case lost
  }

  private let descriptor: OwnedDescriptor
  private let buffer: UnsafeMutableRawBufferPointer
  /// System calls that were made, waits aside.
  private(set) var calls: UInt64 = 0
  /// The number of the last request, which its answers carry.
  private(set) var sequence: UInt32 = 0

  /// A socket of `family`, in the multicast `groups`, for up to `receiveBytes` of unread messages
  /// (as far as the kernel lets us), of which each fits `message` bytes.
  convenience init(
    family: Int32, groups: UInt32 = 0, receiveBytes: Int32, message: Int = 1 << 14
  ) throws(SystemError) {
    let number = lb_netlink_open(family, groups, receiveBytes)
    guard number >= 0 else { throw SystemError("netlink socket", errno: -number) }
    self.init(OwnedDescriptor(owning: number), message: message)
  }

  /// A socket that is open, of whose messages each fits `message` bytes.
  init(_ descriptor: consuming OwnedDescriptor, message: Int = 1 << 14) {
    self.descriptor = descriptor
    unsafe buffer = .allocate(byteCount: message, alignment: 16)
    _ = unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe buffer.deallocate() }

  /// The next message, if there is one.
  func receive() -> Reception {
    while true {
      calls &+= 1
      // Safe: the buffer's own count bounds the call.
      let count = unsafe lb_netlink_receive(descriptor.number, buffer.baseAddress, buffer.count)
      switch count {
      case 0: continue
      case 1...: return .message(count)
      case -Int(ENOBUFS): return .lost
      default: return .nothing
      }
    }
  }

  /// Whether the message received last, of `length` bytes, answers the last request.
  func isAnswer(_ length: Int) -> Bool {
    value(UInt32.self, at: 8, length: length) == sequence
  }

  /// The value of type `T` at `offset` of the message received last, nil beyond its `length`.
  @inline(__always)
  func value<T: BitwiseCopyable>(_ type: T.Type, at offset: Int, length: Int) -> T? {
    guard offset >= 0, unsafe offset + MemoryLayout<T>.size <= min(length, buffer.count) else {
      return nil
    }
    // Safe: within the buffer, which was initialised whole.
    return unsafe buffer.loadUnaligned(fromByteOffset: offset, as: type)
  }

  /// As much of a `T` as the message has at `offset`, zeros behind: structures grow with the
  /// kernel's version.
  @inline(__always)
  func structure<T: BitwiseCopyable>(_ blank: T, at offset: Int, bytes: Int, length: Int) -> T? {
    guard offset >= 0, bytes >= 0, unsafe offset + bytes <= min(length, buffer.count)
    else { return nil }
    var value = blank
    // Safe: both ranges were checked, the destination is the structure itself.
    unsafe withUnsafeMutableBytes(of: &value) { room in
      let source = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + bytes])
      unsafe room.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: source.prefix(room.count)))
    }
    return value
  }

  /// Sends one message with the next number: a header of this type around `payload`.
  func send(type: UInt16, flags: UInt16, payload: [UInt8]) throws(SystemError) {
    var message = Self.message(type: type, flags: flags, payload: payload)
    guard send(&message) else { throw SystemError("netlink send", errno: errno) }
  }

  /// Gives a message that was made before the next number, and sends it; false when it could not
  /// be sent. Allocates nothing.
  func send(_ message: inout [UInt8]) -> Bool {
    sequence &+= 1
    for byte in 0..<4 {
      message[8 + byte] = UInt8(truncatingIfNeeded: sequence >> (8 * UInt32(byte)))
    }
    calls &+= 1
    // Safe: the array's own count bounds the call.
    return unsafe Glibc.send(descriptor.number, message, message.count, 0) == message.count
  }

  /// A header of this type around `payload`.
  static func message(type: UInt16, flags: UInt16, payload: [UInt8]) -> [UInt8] {
    var message: [UInt8] = []
    append(UInt32(16 + payload.count), to: &message)
    append(type, to: &message)
    append(flags, to: &message)
    // The number, which `send` sets, and the sender, which is the kernel's to set.
    append(UInt32(0), to: &message)
    append(UInt32(0), to: &message)
    return message + payload
  }

  /// Waits for the next message, for up to `limit` nanoseconds.
  func next(within limit: UInt64) -> Reception {
    _ = Poll.wait(readable: [descriptor.number], until: Clock.monotonic() + limit)
    return receive()
  }

  /// `value` in the machine's byte order.
  static func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
    var rest = value
    for _ in 0..<MemoryLayout<T>.size {
      // Netlink speaks the host's byte order; Linux on these machines is little-endian.
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// A netlink attribute: length, type, payload, padding to four bytes.
  static func appendAttribute(_ type: UInt16, _ payload: [UInt8], to bytes: inout [UInt8]) {
    append(UInt16(4 + payload.count), to: &bytes)
    append(type, to: &bytes)
    bytes += payload
    while bytes.count % 4 != 0 { bytes.append(0) }
  }
}
