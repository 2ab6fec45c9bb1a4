import Glibc
import LinuxSystem

/// Reads packets of a pcap or pcapng file, in order: both byte orders, any link type of each
/// interface, any resolution.
///
/// Sources: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. libpcap does not read pcapng files
/// whose interfaces differ in link type or snap length, nor times after 2038.
@safe
final class SavefileReader {
  /// One packet; `bytes` returns its bytes until the next call of `next`.
  struct Packet {
    var link: Int32
    /// Unix time in nanoseconds; nil if the file has none (a Simple Packet Block).
    var time: UInt64?
    var wireLength: Int
    fileprivate var offset: Int
    fileprivate(set) var count: Int
  }

  /// The next item of the file.
  enum Event {
    case packet(Packet)
    /// An unreadable packet in a readable file, with the reason.
    case malformed(String)
    case end
  }

  /// Damage that makes the rest of the file unreadable.
  struct Damage: Error {
    let reason: String
  }

  private struct Interface {
    var link: Int32
    var snapLength: Int
    var resolution = SavefileResolution()
  }

  /// The most bytes of a packet or a block; more is damage. Jumbo and segmentation super-frames are
  /// below 256 KiB, captures of USB and D-Bus below 128 MiB.
  private static let longest = 128 << 20
  /// The most interfaces of one section.
  private static let mostInterfaces = 1 << 16
  private static let sectionHeader: UInt32 = 0x0A0D_0D0A

  private let bytes: SavefileBytes
  private let isNextGeneration: Bool
  private var interfaces: [Interface] = []
  /// Bytes of the last packet's record or block, to be skipped.
  private var taken = 0

  // For a pcap file: bytes of a record's header, nanoseconds of the unit of its time's fraction,
  // and whether both lengths may be swapped.
  private var recordHeader = 16
  private var unit: UInt64 = 1000
  private var minorVersion: UInt16 = 4

  /// The link type of the first interface; nil if there is none before the packets.
  var firstLink: Int32? { interfaces.first?.link }

  /// Reads the file's header.
  init(_ path: String) throws {
    bytes = try SavefileBytes(path)
    guard try bytes.fill(4) else { throw Damage(reason: "it is too short for a capture") }
    if bytes.number(UInt32.self, at: 0) == Self.sectionHeader {
      isNextGeneration = true
      try readSection()
      try findInterface()
    } else {
      isNextGeneration = false
      try readHeader()
    }
  }

  // MARK: pcap

  private func readHeader() throws {
    guard try bytes.fill(24) else { throw Damage(reason: "it is too short for a capture") }
    bytes.isSwapped = false
    let magic = bytes.number(UInt32.self, at: 0)
    for candidate in [magic, magic.byteSwapped] {
      switch candidate {
      case 0xA1B2_C3D4: unit = 1000
      case 0xA1B2_3C4D: unit = 1
      // Kuznetzov's format: two more words per record (interface; protocol and packet type).
      case 0xA1B2_CD34: (unit, recordHeader) = (1000, 24)
      default: continue
      }
      bytes.isSwapped = candidate != magic
      let major = bytes.number(UInt16.self, at: 4)
      minorVersion = bytes.number(UInt16.self, at: 6)
      guard major == 2 else { throw Damage(reason: "version \(major).\(minorVersion) is unknown") }
      // The upper half has the length of the frame check sequence.
      let link = Int32(bytes.number(UInt32.self, at: 20) & 0xFFFF)
      interfaces = [Interface(link: link, snapLength: 0)]
      taken = 24
      return
    }
    throw Damage(reason: "it is neither a pcap nor a pcapng file")
  }

  private func nextRecord() throws -> Event {
    if try bytes.isAtEnd() { return .end }
    guard try bytes.fill(recordHeader) else { throw Damage(reason: "it ends within a header") }
    var count = Int(bytes.number(UInt32.self, at: 8))
    var length = Int(bytes.number(UInt32.self, at: 12))
    // Before version 2.3, and in 2.3 by some writers, the lengths are swapped.
    if minorVersion < 3 || minorVersion == 3 && count > length { swap(&count, &length) }
    guard count <= Self.longest else {
      throw Damage(reason: "a packet of \(count) bytes stands in it")
    }
    guard try bytes.fill(recordHeader + count) else {
      throw Damage(reason: "it ends within a packet")
    }
    taken = recordHeader + count
    // Unsigned: until 2106.
    let seconds = UInt64(bytes.number(UInt32.self, at: 0))
    let rest = UInt64(bytes.number(UInt32.self, at: 4))
    return .packet(
      Packet(
        link: interfaces[0].link, time: seconds * 1_000_000_000 + rest * unit, wireLength: length,
        offset: recordHeader, count: count))
  }

  // MARK: pcapng

  /// Reads a section's header: sets the byte order and removes all interfaces.
  private func readSection() throws {
    guard try bytes.fill(12) else { throw Damage(reason: "it ends within a section's header") }
    bytes.isSwapped = false
    switch bytes.number(UInt32.self, at: 8) {
    case 0x1A2B_3C4D: break
    case 0x4D3C_2B1A: bytes.isSwapped = true
    default: throw Damage(reason: "a section has an unknown byte order")
    }
    let length = try blockLength(atLeast: 28)
    let major = bytes.number(UInt16.self, at: 12)
    guard major == 1 else { throw Damage(reason: "a section's version \(major) is unknown") }
    interfaces = []
    taken = length
  }

  /// The length of the present block, which is then completely available.
  private func blockLength(atLeast least: Int) throws -> Int {
    guard try bytes.fill(8) else { throw Damage(reason: "it ends within a block's header") }
    let length = Int(bytes.number(UInt32.self, at: 4))
    guard length >= least, length % 4 == 0, length <= Self.longest else {
      throw Damage(reason: "a block of \(length) bytes stands in it")
    }
    guard try bytes.fill(length) else { throw Damage(reason: "it ends within a block") }
    let again = Int(bytes.number(UInt32.self, at: length - 4))
    guard again == length else {
      throw Damage(reason: "a block of \(length) bytes ends as one of \(again)")
    }
    return length
  }

  /// Reads up to the first interface or packet, so that the link type is known early.
  private func findInterface() throws {
    while interfaces.isEmpty {
      bytes.drop(taken)
      taken = 0
      guard try bytes.fill(4) else { return }
      switch bytes.number(UInt32.self, at: 0) {
      case 2, 3, 6: return
      case Self.sectionHeader: try readSection()
      case 1:
        taken = try blockLength(atLeast: 20)
        try readInterface(taken)
      default: taken = try blockLength(atLeast: 12)
      }
    }
  }

  private func nextBlock() throws -> Event {
    while true {
      bytes.drop(taken)
      taken = 0
      if try bytes.isAtEnd() { return .end }
      guard try bytes.fill(4) else { throw Damage(reason: "it ends within a block's header") }
      switch bytes.number(UInt32.self, at: 0) {
      case Self.sectionHeader: try readSection()
      case 1:
        taken = try blockLength(atLeast: 20)
        try readInterface(taken)
      case 2:
        taken = try blockLength(atLeast: 32)
        return packet(
          interface: Int(bytes.number(UInt16.self, at: 8)), hasTime: true, lengths: 20, at: 28)
      case 3:
        taken = try blockLength(atLeast: 16)
        return packet(interface: 0, hasTime: false, lengths: nil, at: 12)
      case 6:
        taken = try blockLength(atLeast: 32)
        return packet(
          interface: Int(bytes.number(UInt32.self, at: 8)), hasTime: true, lengths: 20, at: 28)
      // Names, statistics, secrets and others.
      default: taken = try blockLength(atLeast: 12)
      }
    }
  }

  /// The packet of the present block; both lengths are at `lengths`, or only that on the wire.
  private func packet(
    interface number: Int, hasTime: Bool, lengths: Int?, at offset: Int
  ) -> Event {
    guard number < interfaces.count else {
      return .malformed("a packet is of interface \(number), of which the file says nothing")
    }
    let interface = interfaces[number]
    let room = taken - 4 - offset
    var count = Int(bytes.number(UInt32.self, at: lengths ?? 8))
    let length = lengths.map { Int(bytes.number(UInt32.self, at: $0 + 4)) } ?? count
    if lengths == nil {
      if interface.snapLength > 0 { count = min(count, interface.snapLength) }
      count = min(count, room)
    }
    guard count <= room else {
      return .malformed("a packet of \(count) bytes stands in a block that has room for \(room)")
    }
    var packet = Packet(
      link: interface.link, time: nil, wireLength: length, offset: offset, count: count)
    guard hasTime else { return .packet(packet) }
    let units =
      UInt64(bytes.number(UInt32.self, at: 12)) << 32
      | UInt64(bytes.number(UInt32.self, at: 16))
    packet.time = interface.resolution.time(units)
    return packet.time == nil
      ? .malformed("a packet's time is not between 1970 and 2262") : .packet(packet)
  }

  private func readInterface(_ length: Int) throws {
    guard interfaces.count < Self.mostInterfaces else {
      throw Damage(reason: "it has more than \(Self.mostInterfaces) interfaces")
    }
    var interface = Interface(
      link: Int32(bytes.number(UInt16.self, at: 8)),
      snapLength: Int(bytes.number(UInt32.self, at: 12)))
    var offset = 16
    // Options: code, length, value, padding to four bytes.
    while offset + 4 <= length - 4 {
      let code = bytes.number(UInt16.self, at: offset)
      let size = Int(bytes.number(UInt16.self, at: offset + 2))
      guard code != 0 else { break }
      guard offset + 4 + size <= length - 4 else {
        throw Damage(reason: "an interface's option is longer than its block")
      }
      if code == 9, size == 1 { interface.resolution.take(bytes.byte(at: offset + 4)) }
      if code == 14, size == 8 {
        interface.resolution.offset = bytes.number(Int64.self, at: offset + 4)
      }
      offset += 4 + (size + 3) & ~3
    }
    interfaces.append(interface)
  }

  // MARK: Either

  /// The next event.
  func next() throws -> Event {
    bytes.drop(taken)
    taken = 0
    return isNextGeneration ? try nextBlock() : try nextRecord()
  }

  /// Calls `body` with the bytes of the last packet.
  func bytes(of packet: Packet, _ body: (UnsafeRawBufferPointer) -> Void) {
    unsafe bytes.bytes(at: packet.offset, count: packet.count, body)
  }
}
