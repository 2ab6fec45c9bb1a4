import SampleModel

/// A track of a trace: a row of the viewer, or a group of rows.
///
/// protos/perfetto/trace/track_event/track_descriptor.proto
struct TraceTrack {
  /// What is known of the values of a counter track.
  struct Counter {
    /// The base unit, or that of a rate.
    let unit: String
    /// Counters of one parent with the same key have one scale.
    let scaleKey: String

    /// The unit as the viewer knows it, by its number; nil for one that only has a name.
    private var known: UInt64? {
      switch unit {
      case MetricUnit.nanoseconds.rawValue: 1
      case MetricUnit.count.rawValue: 2
      case MetricUnit.bytes.rawValue: 3
      default: nil
      }
    }

    var message: ProtoMessage {
      var counter = ProtoMessage()
      if let known { counter.number(3, known) } else { counter.text(6, unit) }
      counter.text(7, OSText.written(scaleKey))
      return counter
    }
  }

  /// How siblings of one name are shown.
  enum Merging: UInt64 {
    /// As rows of one track.
    case byName = 1
    /// Each by itself.
    case none = 2
  }

  /// The order of the tracks below.
  enum ChildOrder: UInt64 {
    case byName = 1
    case byRank = 3
  }

  /// The name, which may have any bytes.
  let name: String
  /// The track above; nil for the root of a trace.
  var parent: UInt64?
  var description = ""
  var counter: Counter?
  var merging = Merging.none
  var childOrder = ChildOrder.byName
  /// Its position among its siblings where they are in order of rank.
  var rank: Int32?

  /// The descriptor of the track under a number.
  func message(_ number: UInt64) -> ProtoMessage {
    var track = ProtoMessage()
    track.number(1, number)
    track.text(2, OSText.written(name))
    if let parent { track.number(5, parent) }
    if let counter { track.message(8, counter.message) }
    track.number(11, childOrder.rawValue)
    if let rank { track.signed(12, Int64(rank)) }
    if !description.isEmpty { track.text(14, OSText.written(description)) }
    track.number(15, merging.rawValue)
    return track
  }
}

/// A named value beside a slice or an instant.
///
/// protos/perfetto/trace/track_event/debug_annotation.proto
struct TraceNote {
  enum Value {
    case number(UInt64)
    case signed(Int64)
    case flag(Bool)
    case text(String)
  }

  let name: String
  let value: Value

  init(_ name: String, _ value: Value) {
    self.name = name
    self.value = value
  }

  /// A text, which may have any bytes.
  init(_ name: String, _ text: String) { self.init(name, .text(text)) }

  /// A count, nil if it is absent.
  init?(_ name: String, _ number: UInt64?) {
    guard let number else { return nil }
    self.init(name, .number(number))
  }

  /// A number with a sign, nil if it is absent.
  init?(signed name: String, _ number: (some BinaryInteger)?) {
    guard let number else { return nil }
    self.init(name, .signed(Int64(clamping: number)))
  }

  var message: ProtoMessage {
    var note = ProtoMessage()
    note.text(10, OSText.written(name))
    switch value {
    case .number(let number): note.number(3, number)
    case .signed(let number): note.signed(4, number)
    case .flag(let flag): note.flag(2, flag)
    case .text(let text): note.text(6, OSText.written(text))
    }
    return note
  }
}
