import Foundation
import SampleModel

/// JSON: keys sorted, slashes plain.
enum JSONText {
  /// JSON for programs, with bytes that are no UTF-8 as `OSText.written` has them.
  static func encode(_ value: some Encodable, pretty: Bool = false) throws(LBError) -> String {
    let text = escapedControls(try stored(value, pretty: pretty))
    // Nearly all of it has neither such a byte nor a backslash.
    guard text.utf8.contains(where: { $0 == 0xEE || $0 == backslash }) else { return text }
    return String(decoding: written(Array(text.utf8)), as: UTF8.self)
  }

  /// JSON with an escape for each character that is not printed. Beyond ASCII they stand in
  /// strings alone.
  private static func escapedControls(_ json: String) -> String {
    guard json.utf8.contains(where: { $0 >= 0x7F }) else { return json }
    var result = ""
    result.reserveCapacity(json.utf8.count)
    for scalar in json.unicodeScalars {
      if scalar.value >= 0x7F, scalar.isUnprinted {
        result += scalar.jsonEscape
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// JSON that is read again here, with every text as it is.
  static func stored(_ value: some Encodable, pretty: Bool = false) throws(LBError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty
      ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      : [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      // The error itself has all of the value in it.
      let reason = (error as? EncodingError).flatMap { failure -> String? in
        guard case .invalidValue(_, let context) = failure else { return nil }
        return context.debugDescription
      }
      throw LBError(.internal, "\(type(of: value)) has no JSON: \(reason ?? "\(error)")")
    }
  }

  private static let backslash = UInt8(ascii: "\\")

  /// JSON of which each string is as `OSText.written` has it.
  private static func written(_ json: [UInt8]) -> [UInt8] {
    var all: [UInt8] = []
    all.reserveCapacity(json.count)
    var index = 0
    while index < json.count {
      let start = index
      index += 1
      if json[start] == UInt8(ascii: "\"") {
        while index < json.count, json[index] != UInt8(ascii: "\"") {
          index += json[index] == backslash ? 2 : 1
        }
        index = min(index + 1, json.count)
        all += literal(Array(json[start..<index]))
      } else {
        all.append(json[start])
      }
    }
    return all
  }

  /// One string with its quotes: one that has a raw byte, or reads as if, gets each of its own
  /// backslashes, two in JSON, twice. Those that begin an escape stay.
  private static func literal(_ json: [UInt8]) -> [UInt8] {
    var all: [UInt8] = []
    var isOther = false
    var index = 0
    while index < json.count {
      if let byte = OSText.rawByte(json, index) {
        all += Array("\\\(OSText.escape(byte))".utf8)
        isOther = true
        index += 3
      } else if json[index] == backslash, index + 1 < json.count {
        let isOwn = json[index + 1] == backslash
        if isOwn, OSText.spellsByte(json, index + 2) { isOther = true }
        all += isOwn ? Array(repeating: backslash, count: 4) : [backslash, json[index + 1]]
        index += 2
      } else {
        all.append(json[index])
        index += 1
      }
    }
    return isOther ? all : json
  }
}
