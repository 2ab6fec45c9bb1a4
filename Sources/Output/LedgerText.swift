private import Glibc
package import SampleModel

/// Ledger and overhead, for people and for programs.
package enum LedgerText {
  /// The last line on standard error.
  package static func line(_ ledger: Ledger, _ overhead: Overhead) -> String {
    let ticks = ledger.ticks
    let ring = ledger.ring
    var parts = [
      "\(deadlines(ledger)) = \(ticks.onTime) on time + \(ticks.late) late + "
        + "\(ticks.skipped) skipped",
      "\(Counted.text(ring.pushed, "frame")) = \(ring.drained) drained + \(ring.dropped) dropped",
    ]
    if ledger.gaps > 0 {
      parts.append("\(Counted.text(ledger.gaps, "frame")) without values")
    }
    let stepsBack = ledger.threads.flatMap(\.collectors).reduce(0) { $0 &+ $1.stepsBack }
    let resets = ledger.threads.flatMap(\.collectors).reduce(0) { $0 + $1.resets }
    if resets > 0 { parts.append(Counted.text(resets, "counter reset")) }
    if stepsBack > 0 {
      parts.append("\(stepsBack) counter step\(stepsBack == 1 ? "" : "s") back")
    }
    if !ledger.isExact { parts.append(mismatch) }
    let sampling = overhead.samplingThreadNanoseconds.reduce(0, &+)
    parts.append(
      "overhead \(Readable.duration(overhead.processNanoseconds)) CPU over "
        + "\(Readable.duration(overhead.elapsedNanoseconds)) "
        + "(\(Readable.percent(overhead.processFraction)) of one CPU), including sampling "
        + "\(Readable.duration(sampling)) and drain "
        + Readable.duration(overhead.drainNanoseconds))
    return parts.joined(separator: "; ")
  }

  /// The message about a ledger that is not exact.
  package static let mismatch =
    "LEDGER MISMATCH: deadlines or frames do not add up; this is a bug in lbsample, please report "
    + "it"

  /// Each sampling thread has deadlines of its own.
  private static func deadlines(_ ledger: Ledger) -> String {
    let text = Counted.text(ledger.ticks.deadlines, "deadline")
    let counts = ledger.threads.map(\.ticks.deadlines)
    guard counts.count > 1, let first = counts.first else { return text }
    return counts.allSatisfy { $0 == first }
      ? "\(text) (\(first) on each of \(counts.count) sampling threads)"
      : "\(text) on \(counts.count) sampling threads"
  }

  static func append(_ ledger: Ledger, to buffer: inout TextBuffer) {
    buffer.append(ascii: "{")
    buffer.member("deadlines", ledger.ticks.deadlines)
    buffer.member("on_time", ledger.ticks.onTime)
    buffer.member("late", ledger.ticks.late)
    buffer.member("skipped", ledger.ticks.skipped)
    buffer.member("lateness_max_ns", ledger.ticks.latenessMaximum)
    buffer.member("pushed", ledger.ring.pushed)
    buffer.member("drained", ledger.ring.drained)
    buffer.member("dropped", ledger.ring.dropped)
    buffer.key("collectors")
    buffer.append(ascii: "[")
    for collector in ledger.threads.flatMap(\.collectors) {
      buffer.element()
      buffer.append(ascii: "{")
      buffer.member("collector", collector.collector)
      buffer.member("acquisitions", collector.acquisitions)
      buffer.member("gaps", collector.gaps.values.reduce(0, &+))
      buffer.member("steps_back", collector.stepsBack)
      buffer.member("resets", collector.resets)
      buffer.member("wraps", collector.wraps)
      buffer.member("records", collector.records)
      buffer.member("records_lost", collector.recordsLost)
      buffer.member("ns", collector.nanoseconds)
      buffer.member("system_calls", collector.systemCalls)
      buffer.append(ascii: "}")
    }
    buffer.append(ascii: "]")
    buffer.append(ascii: "}")
  }

  static func append(_ overhead: Overhead, to buffer: inout TextBuffer) {
    buffer.append(ascii: "{")
    buffer.key("sampling_threads_ns")
    buffer.append(ascii: "[")
    for thread in overhead.samplingThreadNanoseconds {
      buffer.element()
      buffer.append(number: thread)
    }
    buffer.append(ascii: "]")
    buffer.member("drain_ns", overhead.drainNanoseconds)
    buffer.member("process_ns", overhead.processNanoseconds)
    buffer.member("start_ns", overhead.startNanoseconds)
    buffer.member("stop_ns", overhead.stopNanoseconds)
    buffer.member("elapsed_ns", overhead.elapsedNanoseconds)
    buffer.member("bytes_written", overhead.bytesWritten)
    buffer.member("memory_locked", overhead.memoryLocked)
    if let resident = overhead.memoryResident { buffer.member("memory_resident", resident) }
    buffer.append(ascii: "}")
  }
}

/// Numbers for people's eyes: three or four significant digits and a unit.
package enum Readable {
  /// Nanoseconds as ns, µs, ms or s.
  package static func duration(_ nanoseconds: UInt64) -> String {
    Durations.rounded(nanoseconds)
  }

  /// A fraction as percent.
  package static func percent(_ fraction: Double) -> String { fixed(fraction * 100, 2) + " %" }

  /// Bytes with binary prefixes, at most six characters.
  package static func bytes(_ value: Double) -> String {
    text { $0.append(scaled: value, by: .bytes) }
  }

  /// A count with decimal prefixes, at most six characters.
  package static func count(_ value: Double) -> String {
    text { $0.append(scaled: value, by: .count) }
  }

  /// A count below ten millions with all its digits, a fraction with as many as say something; what
  /// is more than that with decimal prefixes.
  package static func exact(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e7 else { return count(value) }
    let decimals =
      switch value.magnitude {
      case 1000...: 1
      case 100...: 2
      case 1...: 3
      default: 6
      }
    var text = fixed(value, decimals)
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text == "0" && value != 0 ? scientific(value) : text
  }

  /// Four digits and an exponent: 1.049e-09.
  private static func scientific(_ value: Double) -> String {
    let exponent = Int(log10(value.magnitude).rounded(.down))
    let scale = pow(10, Double(exponent))
    // Below the least normal number, powers of ten have few digits.
    guard scale.isNormal else { return "\(value)" }
    var digits = fixed(value / scale, 3)
    while digits.hasSuffix("0") { digits.removeLast() }
    if digits.hasSuffix(".") { digits.removeLast() }
    return "\(digits)e\(exponent > -10 ? "-0" : "-")\(exponent.magnitude)"
  }

  /// `value` with `decimals` decimals, rounded half away from zero.
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    text { $0.append(fixed: value, places: decimals) }
  }

  private static func text(_ write: (inout TextBuffer) -> Void) -> String {
    var buffer = TextBuffer()
    write(&buffer)
    return String(decoding: buffer.bytes, as: UTF8.self)
  }
}
