import SampleModel

@testable import Exchange

/// A message of the wire format as it is read back, by another reader than the code's.
struct ReadMessage {
  enum Value: Equatable {
    case number(UInt64)
    case bytes([UInt8])
  }

  let fields: [(number: Int, value: Value)]

  /// Reads a message; nil if it is cut off or malformed.
  init?(_ bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    var at = 0
    func varint() -> UInt64? {
      var (value, shift): (UInt64, UInt64) = (0, 0)
      while at < bytes.count, shift < 64 {
        let byte = bytes[at]
        at += 1
        value |= UInt64(byte & 127) << shift
        if byte < 128 { return value }
        shift += 7
      }
      return nil
    }
    var fields: [(Int, Value)] = []
    while at < bytes.count {
      guard let key = varint() else { return nil }
      let number = Int(key >> 3)
      switch key & 7 {
      case 0:
        guard let value = varint() else { return nil }
        fields.append((number, .number(value)))
      case 1:
        guard at + 8 <= bytes.count else { return nil }
        let value = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) }
        at += 8
        fields.append((number, .number(value)))
      case 2:
        guard let length = varint(), length <= UInt64(bytes.count - at) else { return nil }
        fields.append((number, .bytes(Array(bytes[at..<at + Int(length)]))))
        at += Int(length)
      default: return nil
      }
    }
    self.fields = fields
  }

  func number(_ field: Int) -> UInt64? {
    for case (field, .number(let value)) in fields { return value }
    return nil
  }

  func messages(_ field: Int) -> [ReadMessage] {
    fields.compactMap { number, value in
      guard number == field, case .bytes(let bytes) = value else { return nil }
      return ReadMessage(bytes)
    }
  }

  func message(_ field: Int) -> ReadMessage? { messages(field).first }

  func text(_ field: Int) -> String? {
    for case (field, .bytes(let bytes)) in fields { return String(decoding: bytes, as: UTF8.self) }
    return nil
  }
}

/// A trace that was written into memory.
struct ReadTrace {
  /// One event of a track.
  struct Event: Equatable {
    let time: UInt64
    /// 1 begin, 2 end, 3 instant, 4 counter.
    let type: UInt64
    var name: String?
    var whole: UInt64?
    var real: Double?
    var notes: [String: String] = [:]
  }

  private(set) var packets: [ReadMessage] = []
  /// The names of tracks from the root on, by number.
  private(set) var names: [UInt64: [String]] = [:]
  private(set) var events: [UInt64: [Event]] = [:]

  init?(_ bytes: [UInt8]) {
    guard let trace = ReadMessage(bytes) else { return nil }
    packets = trace.messages(1)
    guard packets.count == trace.fields.count else { return nil }
    for packet in packets {
      if let track = packet.message(60), let number = track.number(1) {
        names[number] = (track.number(5).flatMap { names[$0] } ?? []) + [track.text(2) ?? ""]
      }
      guard let event = packet.message(11), let track = event.number(11) else { continue }
      var notes: [String: String] = [:]
      for note in event.messages(4) {
        let value =
          note.text(6) ?? (note.number(3) ?? note.number(4) ?? note.number(2)).map { "\($0)" }
        notes[note.text(10) ?? ""] = value
      }
      events[track, default: []].append(
        Event(
          time: packet.number(8) ?? 0, type: event.number(9) ?? 0, name: event.text(23),
          whole: event.number(30), real: event.number(44).map { Double(bitPattern: $0) },
          notes: notes))
    }
  }

  /// The events of the track with these names below the root.
  func events(_ path: String...) -> [Event] {
    let numbers = names.filter { Array($0.value.dropFirst()) == path }.map(\.key)
    return numbers.sorted().flatMap { events[$0] ?? [] }
  }
}
