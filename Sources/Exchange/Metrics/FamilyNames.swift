package import SampleModel

/// Names by the rules of Prometheus: `cpu.user` in ns is `lbsample_cpu_user_seconds_total`.
///
/// A name is `lbsample_`, the collector's prefix and the kernel's field in snake case, the base
/// unit and `_total` of a counter. Words of the field that state a unit give way to the base unit;
/// words that Prometheus reserves, or takes for an abbreviated unit, do not stand alone. The help
/// text begins with lbsample's own name.
package struct FamilyNames: Sendable {
  /// The families so far, by the metrics that they are of.
  private var families: [Key: MetricFamily] = [:]
  private var taken = Set<String>()

  private struct Key: Hashable {
    let prefix: String
    let name: ExactText
    let unit: MetricUnit
    let kind: MetricKind
  }

  /// No family yet.
  package init() {}

  /// The family of a metric whose collector's prefix is `prefix`; nil for what is no number. Two
  /// metrics never share one: the later of two equal names gets a number.
  package mutating func family(_ metric: MetricDescription, prefix: String) -> MetricFamily? {
    guard metric.unit != .text else { return nil }
    let key = Key(
      prefix: prefix, name: ExactText(metric.name), unit: metric.unit, kind: metric.kind)
    if let known = families[key] { return known }
    let kind = metric.kind == .gauge ? MetricFamily.Kind.gauge : .counter
    let unit = Self.unit(metric.unit)
    let stem = Self.stem(prefix, metric)
    var number = 1
    var name: String
    repeat {
      let numbered = number == 1 ? stem : stem + ["\(number)"]
      name = Self.joined(numbered, unit, kind)
      number += 1
    } while taken.contains(name)
    // Also the name of the series: no gauge is called as a counter's series.
    taken.insert(name)
    if kind == .counter { taken.insert(name + "_total") }
    let family = MetricFamily(
      name, kind, unit: unit,
      help: OSText.written("\(prefix).\(metric.name): \(metric.meaning)"))
    families[key] = family
    return family
  }

  /// Prometheus' base unit in place of a layout's; nil of a count.
  static func unit(_ unit: MetricUnit) -> String? {
    switch unit {
    case .nanoseconds: "seconds"
    case .bytes: "bytes"
    case .ratio: "ratio"
    case .hertz: "hertz"
    case .celsius: "celsius"
    case .joules: "joules"
    case .bitsPerSecond: "bytes_per_second"
    case .count, .text: nil
    }
  }

  /// Suffixes that the formats give series of counters, histograms and summaries.
  private static let reserved: Set<String> = [
    "total", "count", "sum", "bucket", "created", "info",
  ]
  /// Words that say a unit which the value has not any more.
  private static let units: [MetricUnit: Set<String>] = [
    .nanoseconds: ["usec", "usecs", "nsec", "nsecs", "msec", "msecs", "ns", "ms", "us", "ticks"],
    .bytes: ["bytes", "sectors", "kb"],
  ]
  /// Words that Prometheus' linter takes for abbreviated units.
  private static let abbreviations: Set<String> = [
    "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
  ]
  /// Types, which are no part of a name.
  private static let types = [
    "counter": "counts", "gauge": "level", "histogram": "distribution", "summary": "digest",
    "untyped": "plain",
  ]

  /// The words of a name without its unit.
  private static func stem(_ prefix: String, _ metric: MetricDescription) -> [String] {
    let front = words(prefix)
    var words = words(metric.name)
    if words.first == front.last, words.count > 1 { words.removeFirst() }
    if let stated = units[metric.unit] {
      let kept = words.filter { !stated.contains($0) }
      // The last word alone is the unit of a time: `ticks` of a rate of ticks would be another.
      if metric.unit == .bytes {
        words = kept
      } else if let last = words.last, stated.contains(last) {
        words.removeLast()
      }
    }
    if metric.kind != .gauge, let last = words.last, ["total", "count"].contains(last) {
      words.removeLast()
    }
    words = ["lbsample"] + front + words
    return withoutAbbreviations(words.map { types[$0] ?? $0 })
  }

  private static func joined(
    _ stem: [String], _ unit: String?, _ kind: MetricFamily.Kind
  ) -> String {
    var words = stem
    if let unit {
      words.append(unit)
    } else if let last = words.last, reserved.contains(last) {
      words.append("value")
    }
    return words.joined(separator: "_")
  }

  /// A word that is an abbreviated unit becomes the beginning of the next one, or the end of the
  /// last.
  private static func withoutAbbreviations(_ words: [String]) -> [String] {
    var result: [String] = []
    var pending = ""
    for word in words {
      let joined = pending + word
      pending = ""
      if abbreviations.contains(joined) { pending = joined } else { result.append(joined) }
    }
    if !pending.isEmpty, let last = result.popLast() { result.append(last + pending) }
    return result
  }

  /// The words of a name in lower case: `TCPTimeouts` is `tcp`, `timeouts`; `SReclaimable` is one
  /// word. Other characters than ASCII letters and digits separate words.
  static func words(_ name: String) -> [String] {
    var words: [String] = []
    var word = ""
    var capitals = 0
    let letters = Array(name.unicodeScalars)
    for (index, letter) in letters.enumerated() {
      let isCapital = ("A"..."Z").contains(letter)
      let isSmall = ("a"..."z").contains(letter)
      guard isCapital || isSmall || ("0"..."9").contains(letter) else {
        if !word.isEmpty { words.append(word) }
        (word, capitals) = ("", 0)
        continue
      }
      let next = index + 1 < letters.count ? letters[index + 1] : " "
      let isBeforeSmall = ("a"..."z").contains(next)
      let isAfterDigit = index > 0 && ("0"..."9").contains(letters[index - 1])
      // A capital begins a word after a small letter, and before one after a digit or another
      // capital: `DirectMap1G` has two words.
      let begins =
        isCapital
        && (capitals == 0 ? !isAfterDigit || isBeforeSmall : isBeforeSmall && capitals > 1)
      if begins, !word.isEmpty {
        words.append(word)
        word = ""
        capitals = 0
      }
      capitals = isCapital ? capitals + 1 : 0
      word.unicodeScalars.append(letter)
      word = isCapital ? word.lowercased() : word
    }
    if !word.isEmpty { words.append(word) }
    return words
  }

  /// A name of a label: as a name of a metric, and none that Prometheus gives every series itself.
  static func label(_ name: String) -> String {
    let joined = words(name).joined(separator: "_")
    let safe = joined.first.map { $0.isNumber } ?? true ? "_" + joined : joined
    return ["instance", "job", "le", "quantile"].contains(safe) ? "name" : safe
  }
}
