import SampleModel

/// A JSON document as YAML in block style, which both YAML 1.1 and 1.2 read as the same values.
///
/// A library for YAML takes ten times as long for a run of 10,000 repetitions. The source is the
/// JSON that this program made itself, without blanks, so that nothing here has to be checked.
struct YAMLText {
  /// What stands in front of a value on its line.
  private enum Front { case nothing, key, dash }

  private let json: [UInt8]
  private var index = 0
  private var yaml: [UInt8] = []

  /// The YAML of compact `json`, with a line feed at its end.
  static func text(of json: String) -> String {
    var text = YAMLText(json: Array(json.utf8))
    text.yaml.reserveCapacity(text.json.count * 3 / 2)
    text.value(level: 0, after: .nothing)
    text.yaml.append(UInt8(ascii: "\n"))
    return String(decoding: text.yaml, as: UTF8.self)
  }

  private init(json: [UInt8]) { self.json = json }

  /// Writes the next value; its members are indented by two blanks for each `level`.
  private mutating func value(level: Int, after front: Front) {
    switch json[index] {
    case UInt8(ascii: "{"), UInt8(ascii: "["): members(level: level, after: front)
    default:
      if front != .nothing { yaml.append(UInt8(ascii: " ")) }
      json[index] == UInt8(ascii: "\"") ? string() : literal()
    }
  }

  private mutating func members(level: Int, after front: Front) {
    let isObject = json[index] == UInt8(ascii: "{")
    let end = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    index += 1
    if json[index] == end {
      if front != .nothing { yaml.append(UInt8(ascii: " ")) }
      yaml += Array(isObject ? "{}".utf8 : "[]".utf8)
    }
    var isFirst = true
    while json[index] != end {
      switch (isFirst, front) {
      case (true, .nothing): break
      case (true, .dash): yaml.append(UInt8(ascii: " "))
      default: newLine(level)
      }
      if isObject {
        key(level)
        index += 1
        value(level: level + 1, after: .key)
      } else {
        yaml.append(UInt8(ascii: "-"))
        value(level: level + 1, after: .dash)
      }
      if json[index] == UInt8(ascii: ",") { index += 1 }
      isFirst = false
    }
    index += 1
  }

  private mutating func newLine(_ level: Int) {
    yaml.append(UInt8(ascii: "\n"))
    yaml += repeatElement(UInt8(ascii: " "), count: 2 * level)
  }

  /// A key with its colon. One of more than 1024 characters needs a question mark (YAML 1.2.2,
  /// 7.4).
  private mutating func key(_ level: Int) {
    let start = yaml.count
    string()
    if yaml.count - start > 1000 {
      yaml.insert(contentsOf: Array("? ".utf8), at: start)
      newLine(level)
    }
    yaml.append(UInt8(ascii: ":"))
  }

  /// A number, true, false or null. YAML 1.1 knows an exponent by a point before it and a sign
  /// after it.
  private mutating func literal() {
    let start = index
    while index < json.count, !",]}".utf8.contains(json[index]) { index += 1 }
    let text = json[start..<index]
    guard let first = text.first, first == UInt8(ascii: "-") || Self.isDigit(first),
      let exponent = text.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "e") })
    else {
      yaml += text
      return
    }
    yaml += text[..<exponent]
    if !text[..<exponent].contains(UInt8(ascii: ".")) { yaml += Array(".0".utf8) }
    yaml.append(UInt8(ascii: "e"))
    if Self.isDigit(text[exponent + 1]) { yaml.append(UInt8(ascii: "+")) }
    yaml += text[(exponent + 1)...]
  }

  /// A string: plain where it can be taken for nothing else, else in quotes as in JSON.
  private mutating func string() {
    let start = index
    index += 1
    var isPlain = true
    while json[index] != UInt8(ascii: "\"") {
      isPlain = isPlain && Self.isPlain(json[index])
      index += json[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    let text = json[(start + 1)..<index]
    index += 1
    if isPlain, let first = text.first, Self.isLetter(first), text.last != UInt8(ascii: " "),
      !Self.reserved.contains(String(decoding: text, as: UTF8.self).lowercased())
    {
      yaml += text
      return
    }
    yaml.append(UInt8(ascii: "\""))
    quoted(text)
    yaml.append(UInt8(ascii: "\""))
  }

  /// The characters of a string in quotes, with an escape for each that is not printed, that YAML
  /// does not allow there, or takes for the end of a line (YAML 1.2.2, 5.1 and 5.4).
  private mutating func quoted(_ text: ArraySlice<UInt8>) {
    guard text.contains(where: { $0 >= 0x7F }) else {
      yaml += text
      return
    }
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      guard scalar.isUnprinted || scalar.value == 0xFFFE || scalar.value == 0xFFFF else {
        yaml += Array(String(scalar).utf8)
        continue
      }
      let digits = String(scalar.value, radix: 16)
      let (letter, length) = scalar.value > 0xFFFF ? ("U", 8) : ("u", 4)
      let padding = String(repeating: "0", count: length - digits.utf8.count)
      yaml += Array("\\\(letter)\(padding)\(digits)".utf8)
    }
  }

  /// Words that YAML 1.1 takes for truth values or nothing.
  private static let reserved: Set<String> = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null",
  ]

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: "/")
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || "_-+./ ()[]%".utf8.contains(byte)
  }
}
