import CLinux
import Glibc

/// A netlink(7) socket with its receive buffer: opened at arm time, read without waiting or
/// allocating.
@safe
final class NetlinkSocket {
  /// The result of receiving.
  enum Reception {
    /// One message of the kernel; its bytes are in the buffer.
    case message(Int)
    case nothing
    /// The socket's buffer was full: an unknown number of messages was lost.
    case lost
  }

  private let descriptor: OwnedDescriptor
  private let buffer: UnsafeMutableRawBufferPointer
  /// System calls so far, without waits.
  private(set) var calls: UInt64 = 0
  /// The sequence number of the last request and its answers.
  private(set) var sequence: UInt32 = 0

  /// A socket of `family`, in the multicast `groups`, for up to `receiveBytes` of unread messages
  /// (up to the kernel's limit); the buffer holds `message` bytes.
  convenience init(
    family: Int32, groups: UInt32 = 0, receiveBytes: Int32, message: Int = 1 << 14
  ) throws(SystemError) {
    let number = lb_netlink_open(family, groups, receiveBytes)
    guard number >= 0 else { throw SystemError("netlink socket", errno: -number) }
    self.init(OwnedDescriptor(owning: number), message: message)
  }

  /// Uses an open socket; the buffer holds `message` bytes.
  init(_ descriptor: consuming OwnedDescriptor, message: Int = 1 << 14) {
    self.descriptor = descriptor
    unsafe buffer = .allocate(byteCount: message, alignment: 16)
    _ = unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe buffer.deallocate() }

  /// Receives the next message, if there is one.
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

  /// As much of a `T` as the message has at `offset`, padded with zeros: structures grow with the
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

  /// Sends one message with the next sequence number: a header of this type and `payload`.
  func send(type: UInt16, flags: UInt16, payload: [UInt8]) throws(SystemError) {
    var message = Self.message(type: type, flags: flags, payload: payload)
    guard send(&message) else { throw SystemError("netlink send", errno: errno) }
  }

  /// Sets the next sequence number in a prepared message and sends it; false if it could not be
  /// sent. Allocates nothing.
  func send(_ message: inout [UInt8]) -> Bool {
    sequence &+= 1
    for byte in 0..<4 {
      message[8 + byte] = UInt8(truncatingIfNeeded: sequence >> (8 * UInt32(byte)))
    }
    calls &+= 1
    // Safe: the array's own count bounds the call.
    return unsafe Glibc.send(descriptor.number, message, message.count, 0) == message.count
  }

  /// A header of this type and `payload`.
  static func message(type: UInt16, flags: UInt16, payload: [UInt8]) -> [UInt8] {
    var message: [UInt8] = []
    append(UInt32(16 + payload.count), to: &message)
    append(type, to: &message)
    append(flags, to: &message)
    // The sequence number, set by `send`, and the sender, set by the kernel.
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
      // Netlink uses the host's byte order; supported hosts are little-endian.
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
