import Foundation
import SampleModel

/// A place in a JSON value: keys with points between, and places in arrays, as `jobs[0].read.iops`.
package struct JSONPath: Sendable, Hashable {
  /// Why there is no number.
  package struct Failure: Error, Equatable {
    package let reason: String
  }

  private enum Step: Hashable {
    case key(String)
    case place(Int)
  }

  private let steps: [Step]
  private let text: String

  /// Reads a path; nil for what is none.
  package init?(_ text: String) {
    var steps: [Step] = []
    for part in text.split(separator: ".", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
      if let key = pieces.first, !key.isEmpty { steps.append(.key(String(key))) }
      for piece in pieces.dropFirst() {
        guard piece.last == "]", let place = Int(piece.dropLast()), place >= 0 else { return nil }
        steps.append(.place(place))
      }
      if pieces.count == 1, part.isEmpty { return nil }
    }
    guard !steps.isEmpty else { return nil }
    self.steps = steps
    self.text = text
  }

  /// The number at this place of a JSON text. Lines around an object or an array are passed over:
  /// a tool's remarks on standard error come with its report.
  package func number(in json: String) throws(Failure) -> Double {
    guard var value = Self.value(json[...]) ?? Self.body(of: json) else {
      throw Failure(reason: "the output is not JSON: \(json.prefix(80))")
    }
    for step in steps {
      switch (step, value) {
      case (.key(let key), let object as [String: Any]):
        guard let next = object[key] else { throw Failure(reason: "\(text): there is no \(key)") }
        value = next
      case (.place(let place), let array as [Any]):
        guard place < array.count else {
          throw Failure(reason: "\(text): there is no [\(place)], the array has \(array.count)")
        }
        value = array[place]
      case (.key(let key), _): throw Failure(reason: "\(text): \(key) is not in an object")
      case (.place(let place), _): throw Failure(reason: "\(text): [\(place)] is not in an array")
      }
    }
    let truth = Self.truth(value)
    // Not `as? Double`, which refuses a whole number that no double has exactly.
    if truth == nil, let number = (value as? NSNumber)?.doubleValue, number.isFinite {
      return number
    }
    if let words = value as? String, let number = Double(decimal: words) { return number }
    throw Failure(reason: "\(text) is no number: \(truth.map { "\($0)" } ?? "\(value)")")
  }

  private static func value(_ json: Substring) -> Any? {
    do {
      return try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    } catch {
      return nil
    }
  }

  /// What stands from a line that begins an object or an array to the last line that ends one.
  private static func body(of text: String) -> Any? {
    let lines = text.lines
    guard let last = lines.last(where: { $0.hasSuffix("}") || $0.hasSuffix("]") }) else {
      return nil
    }
    // A remark may begin with a bracket too.
    let starts = lines.lazy.filter { $0.hasPrefix("{") || $0.hasPrefix("[") }.prefix(20)
    for first in starts where first.startIndex < last.endIndex {
      if let value = value(text[first.startIndex..<last.endIndex]) { return value }
    }
    return nil
  }

  /// `true` or `false`: Foundation gives both, and 0 and 1 with them, as numbers that it takes for
  /// truth values; only their type is another one.
  private static func truth(_ value: Any) -> Bool? {
    guard let number = value as? NSNumber else { return nil }
    // Safe: the encoding is a constant string of at least one letter.
    return unsafe number.objCType.pointee == CChar(UInt8(ascii: "c")) ? number.boolValue : nil
  }
}
