import RunStore
package import SampleModel

/// A number that a workload prints.
package struct WorkloadMetric: Sendable, Hashable {
  /// How it is found in the output.
  package enum Source: Sendable, Hashable {
    /// The first capture group of the last matching line, or the whole match without a group.
    case pattern(String)
    /// A number in an output that is one JSON value: `jobs[0].read.iops`.
    case json(String)
    /// The first of these paths that exists: versions of a tool differ.
    case anyJSON([String])
  }

  /// Its name in results: `workload.NAME`.
  package let name: String
  package let unit: String
  package let source: Source

  /// Reads `NAME=SOURCE` or `NAME[UNIT]=SOURCE`; throws the reason where the text is neither.
  package init(_ text: String, _ source: (String) -> Source) throws(WorkloadMetricError) {
    guard let (front, back) = text.halves("="), !front.isEmpty else {
      throw WorkloadMetricError("expected NAME=… or NAME[UNIT]=…")
    }
    var name = front[...]
    var unit: Substring = ""
    if name.last == "]", let open = name.firstIndex(of: "[") {
      unit = name[name.index(after: open)...].dropLast()
      name = name[..<open]
    }
    guard !name.isEmpty,
      name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) })
    else { throw WorkloadMetricError("a name has letters, digits and ._-") }
    self.name = "workload.\(name)"
    self.unit = String(unit)
    self.source = source(back)
    if case .pattern(let pattern) = self.source { _ = try Self.regex(pattern) }
    if case .json(let path) = self.source, JSONPath(path) == nil {
      throw WorkloadMetricError("expected a path such as jobs[0].read.iops")
    }
  }

  /// A metric of a tool that lbsample knows.
  init(_ name: String, _ unit: String, _ source: Source) {
    self.name = "workload.\(name)"
    self.unit = unit
    self.source = source
  }

  /// The key of a result's configuration with the metrics of the command line.
  package static let configurationKey = "workload.metrics"

  /// The names and units of the metrics in a value of that key. A pattern may contain the
  /// separator; the text after it is then no metric and is left out.
  static func named(in setting: String) -> [(name: String, unit: String)] {
    setting.split(separator: "; ").compactMap { text in
      do throws(WorkloadMetricError) {
        let metric = try WorkloadMetric(String(text)) { _ in .anyJSON([]) }
        return (name: metric.name, unit: metric.unit)
      } catch {
        return nil
      }
    }
  }

  private static func regex(
    _ pattern: String
  ) throws(WorkloadMetricError) -> Regex<AnyRegexOutput> {
    do {
      return try Regex(pattern)
    } catch {
      throw WorkloadMetricError("not a regular expression: \(error)")
    }
  }

  /// Its value in the kept part of a workload's output. Throws `outputParse` where there is none,
  /// or where the last match may lie in the part that is not kept.
  package func value(in output: KeptOutput) throws(LBError) -> Double {
    do throws(WorkloadMetricError) {
      switch source {
      case .pattern(let pattern): return try Self.find(try Self.regex(pattern), in: output)
      case .json(let path): return try Self.find([path], in: output)
      case .anyJSON(let paths): return try Self.find(paths, in: output)
      }
    } catch {
      throw LBError(.outputParse, "\(name): \(error.reason)")
    }
  }

  private static func find(
    _ paths: [String], in output: KeptOutput
  ) throws(WorkloadMetricError) -> Double {
    guard output.isWhole else {
      throw WorkloadMetricError(
        "only \(output.head.count + output.tail.count) of the \(output.total) bytes of the output "
          + "are kept, which is not valid JSON: increase run.output_limit")
    }
    let text = String(decoding: output.bytes, as: UTF8.self)
    var first: WorkloadMetricError?
    for path in paths {
      do throws(WorkloadMetricError) { return try find(path, in: text) } catch {
        first = first ?? error
      }
    }
    throw first ?? WorkloadMetricError("no path")
  }

  private static func find(
    _ regex: Regex<AnyRegexOutput>, in output: KeptOutput
  ) throws(WorkloadMetricError) -> Double {
    let end = output.end
    // By bytes: in a String CR LF is one character, which is not equal to a line feed.
    let lines = end.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (number, bytes) in lines.enumerated().reversed() {
      for part in Self.parts(of: bytes) {
        let line = OSText.string(part)
        guard let match = line.firstMatch(of: regex) else { continue }
        let found = match.output.count > 1 ? match.output[1].substring : match.output[0].substring
        guard let found, let value = Double(decimal: found) else {
          let which = output.isWhole ? "line \(number + 1) of the output" : "a line of the output"
          let hint =
            match.output.count > 1
            ? "" : "; put parentheses around the number, as in x=([0-9.]+)"
          throw WorkloadMetricError(
            "\(which) matches, but \(found ?? "nothing") is not a number: "
              + "\(line.prefix(200))\(hint)")
        }
        return value
      }
    }
    guard output.isWhole else {
      throw WorkloadMetricError(
        "no line in the last \(end.count) of the \(output.total) bytes of the output matches, and "
          + "a part before them is not kept: increase run.output_limit")
    }
    throw WorkloadMetricError("no line of the output matches")
  }

  /// The texts that were written on one line, the last one first: a progress display overwrites its
  /// line after a carriage return. A carriage return at the end of the line belongs to CR LF.
  private static func parts(of line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    let end = UInt8(ascii: "\r")
    let whole = line.last == end ? line.dropLast() : line
    return whole.split(separator: end, omittingEmptySubsequences: false).reversed()
  }

  private static func find(
    _ path: String, in text: String
  ) throws(WorkloadMetricError) -> Double {
    guard let path = JSONPath(path) else {
      throw WorkloadMetricError("\(path) is not a valid path")
    }
    do throws(JSONPath.Failure) {
      return try path.number(in: text)
    } catch {
      throw WorkloadMetricError(error.reason)
    }
  }
}

/// Why a workload's metric cannot be had.
package struct WorkloadMetricError: Error, Equatable {
  package let reason: String

  init(_ reason: String) { self.reason = reason }
}
