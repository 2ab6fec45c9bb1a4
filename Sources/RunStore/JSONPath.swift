import Foundation

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

  /// The number at this place of a JSON text.
  package func number(in json: String) throws(Failure) -> Double {
    var value: Any
    do {
      value = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    } catch {
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
    if !(value is Bool), let number = value as? Double { return number }
    if let words = value as? String, let number = Double(words), number.isFinite { return number }
    let words = (value as? Bool).map { "\($0)" } ?? "\(value)"
    throw Failure(reason: "\(text) is no number: \(words)")
  }
}
