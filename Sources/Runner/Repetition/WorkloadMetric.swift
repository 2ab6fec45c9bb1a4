import RunStore
package import SampleModel

/// A number that a workload prints.
package struct WorkloadMetric: Sendable, Hashable {
  /// Where it stands in the output.
  package enum Place: Sendable, Hashable {
    /// The first group of the last line that matches, or all that matches where it has no group.
    case pattern(String)
    /// A number in an output that is one JSON value: `jobs[0].read.iops`.
    case json(String)
    /// The first of these places in JSON that there is: versions of a tool differ.
    case anyJSON([String])
  }

  /// As results name it: `workload.` stands before it.
  package let name: String
  package let unit: String
  package let place: Place

  /// Reads `NAME=PLACE` or `NAME[UNIT]=PLACE`; throws what is wrong with it, in words.
  package init(_ text: String, _ place: (String) -> Place) throws(WorkloadMetricError) {
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
    self.place = place(back)
    if case .pattern(let pattern) = self.place { _ = try Self.regex(pattern) }
    if case .json(let path) = self.place, JSONPath(path) == nil {
      throw WorkloadMetricError("expected a path such as jobs[0].read.iops")
    }
  }

  /// A metric that a tool of ours is known to print.
  init(_ name: String, _ unit: String, _ place: Place) {
    self.name = "workload.\(name)"
    self.unit = unit
    self.place = place
  }

  /// The setting under which a result's configuration has what was asked for on the command line.
  package static let configurationKey = "workload.metrics"

  /// The metrics of a value of that setting, by name and unit: a pattern may have the separator in
  /// it, and what stands behind one is no metric then.
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

  /// Its value in what is kept of a workload's output; never one that may not be the output's last.
  package func value(in output: KeptOutput) throws(LBError) -> Double {
    do throws(WorkloadMetricError) {
      switch place {
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
        "a part of the output is no JSON: \(output.head.count + output.tail.count) of its "
          + "\(output.total) bytes are kept (run.output_limit)")
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
    // By bytes: to a String the end of a line of DOS is one character, and no line feed.
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
            "\(which) matches, but \(found ?? "nothing") is no number: \(line.prefix(200))\(hint)")
        }
        return value
      }
    }
    guard output.isWhole else {
      throw WorkloadMetricError(
        "no line of the last \(end.count) bytes of the output matches, and of the "
          + "\(output.total) bytes before them a part was cut away (run.output_limit)")
    }
    throw WorkloadMetricError("no line of the output matches")
  }

  /// What was written on one line of an output, the last first: a carriage return begins a line
  /// of progress anew. The one that ends a line of DOS begins nothing.
  private static func parts(of line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    let end = UInt8(ascii: "\r")
    let whole = line.last == end ? line.dropLast() : line
    return whole.split(separator: end, omittingEmptySubsequences: false).reversed()
  }

  private static func find(
    _ path: String, in text: String
  ) throws(WorkloadMetricError) -> Double {
    guard let path = JSONPath(path) else { throw WorkloadMetricError("\(path) is no path") }
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
