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
  }

  /// As results name it: `workload.` stands before it.
  package let name: String
  package let unit: String
  package let place: Place

  /// Reads `NAME=PLACE` or `NAME[UNIT]=PLACE`; throws what is wrong with it, in words.
  package init(_ text: String, _ place: (String) -> Place) throws(WorkloadMetricError) {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
      throw WorkloadMetricError("expected NAME=… or NAME[UNIT]=…")
    }
    var name = text[..<equals]
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
    self.place = place(String(text[text.index(after: equals)...]))
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

  private static func regex(
    _ pattern: String
  ) throws(WorkloadMetricError) -> Regex<AnyRegexOutput> {
    do {
      return try Regex(pattern)
    } catch {
      throw WorkloadMetricError("not a regular expression: \(error)")
    }
  }

  /// Its value in a workload's output, of which `isWhole` says whether all of it was kept.
  package func value(in output: [UInt8], isWhole: Bool) throws(LBError) -> Double {
    let text = String(decoding: output, as: UTF8.self)
    let rest = isWhole ? "" : "; only the first \(output.count) bytes of it are kept"
    do throws(WorkloadMetricError) {
      switch place {
      case .pattern(let pattern): return try Self.find(try Self.regex(pattern), in: text)
      case .json(let path): return try Self.find(path, in: text)
      }
    } catch {
      throw LBError(.outputParse, "\(name): \(error.reason)\(rest)")
    }
  }

  private static func find(
    _ regex: Regex<AnyRegexOutput>, in text: String
  ) throws(WorkloadMetricError) -> Double {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated().reversed() {
      guard let match = line.firstMatch(of: regex) else { continue }
      let found = match.output.count > 1 ? match.output[1].substring : match.output[0].substring
      guard let found, let value = Double(found), value.isFinite else {
        throw WorkloadMetricError(
          "line \(number + 1) of the output matches, but \(found ?? "nothing") is no number: "
            + "\(line.prefix(200))")
      }
      return value
    }
    throw WorkloadMetricError("no line of the output matches")
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
