import Foundation
import SampleModel

/// A path in a JSON value: keys separated by points, and array indices, as in `jobs[0].read.iops`.
package struct JSONPath: Sendable, Hashable {
  /// The reason why there is no number.
  package struct Failure: Error, Equatable {
    package let reason: String
  }

  private enum Step: Hashable {
    case key(String)
    case index(Int)
  }

  private let steps: [Step]
  private let text: String

  /// Parses a path; nil if invalid.
  package init?(_ text: String) {
    var steps: [Step] = []
    for part in text.split(separator: ".", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
      if let key = pieces.first, !key.isEmpty { steps.append(.key(String(key))) }
      for piece in pieces.dropFirst() {
        guard piece.last == "]", let index = Int(piece.dropLast()), index >= 0 else { return nil }
        steps.append(.index(index))
      }
      if pieces.count == 1, part.isEmpty { return nil }
    }
    guard !steps.isEmpty else { return nil }
    self.steps = steps
    self.text = text
  }

  /// The number at this path of a JSON text. Lines around an object or an array are skipped: a
  /// tool's messages on standard error may be mixed with its report.
  package func number(in json: String) throws(Failure) -> Double {
    guard var value = Self.value(json[...]) ?? Self.body(of: json) else {
      throw Failure(reason: "the output is not JSON: \(json.prefix(80))")
    }
    for step in steps {
      switch (step, value) {
      case (.key(let key), let object as [String: Any]):
        guard let next = object[key] else { throw Failure(reason: "\(text): there is no \(key)") }
        value = next
      case (.index(let index), let array as [Any]):
        guard index < array.count else {
          throw Failure(reason: "\(text): there is no [\(index)], the array has \(array.count)")
        }
        value = array[index]
      case (.key(let key), _): throw Failure(reason: "\(text): \(key) is not in an object")
      case (.index(let index), _): throw Failure(reason: "\(text): [\(index)] is not in an array")
      }
    }
    let truth = Self.truth(value)
    // Not `as? Double`, which refuses integers that a double cannot represent exactly.
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

  /// The value from a line that begins an object or an array to the last line that ends one.
  private static func body(of text: String) -> Any? {
    let lines = text.lines
    guard let last = lines.last(where: { $0.hasSuffix("}") || $0.hasSuffix("]") }) else {
      return nil
    }
    // A message may begin with a bracket too.
    let starts = lines.lazy.filter { $0.hasPrefix("{") || $0.hasPrefix("[") }.prefix(20)
    for first in starts where first.startIndex < last.endIndex {
      if let value = value(text[first.startIndex..<last.endIndex]) { return value }
    }
    return nil
  }

  /// `true` or `false`: Foundation represents them as numbers too; only the type differs from 0 and
  /// 1.
  private static func truth(_ value: Any) -> Bool? {
    guard let number = value as? NSNumber else { return nil }
    // Safe: the encoding is a constant string of at least one letter.
    return unsafe number.objCType.pointee == CChar(UInt8(ascii: "c")) ? number.boolValue : nil
  }
}
