import Output
import SampleModel

/// SVG under construction: XML whose texts are escaped, whatever they are made of.
struct SVGText {
  private var buffer = TextBuffer()

  var bytes: [UInt8] { buffer.bytes }

  /// A text as XML may have it: what would end it or is not to be seen is replaced, and so are the
  /// two scalars that XML has not (XML 1.0, 2.2).
  static func escaped(_ text: String) -> String {
    let shown = Markup.escaped(text)
    guard shown.utf8.contains(0xEF) else { return shown }
    return shown.unicodeScalars.reduce(into: "") { kept, scalar in
      kept.unicodeScalars.append([0xFFFE, 0xFFFF].contains(scalar.value) ? "\u{FFFD}" : scalar)
    }
  }

  /// A length in pixels, to a tenth.
  static func number(_ value: Double) -> String {
    let text = Readable.fixed(value, 1)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// Appends markup of this module's own.
  mutating func own(_ markup: String) { buffer.append(markup) }

  /// Appends another part.
  mutating func append(_ other: SVGText) { buffer.append(other.buffer) }

  /// Begins an element, or writes one that is empty.
  mutating func open(
    _ tag: String, _ attributes: [(name: String, value: String)], isEmpty: Bool = false
  ) {
    own("<\(tag)")
    for attribute in attributes { own(" \(attribute.name)=\"\(Self.escaped(attribute.value))\"") }
    own(isEmpty ? "/>\n" : ">")
  }

  /// An element of text.
  mutating func element(
    _ tag: String, _ content: String, _ attributes: [(name: String, value: String)] = []
  ) {
    open(tag, attributes)
    own("\(Self.escaped(content))</\(tag)>\n")
  }

  /// A straight line.
  mutating func line(_ style: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) {
    open(
      "line",
      [
        ("class", style), ("x1", Self.number(x1)), ("y1", Self.number(y1)),
        ("x2", Self.number(x2)), ("y2", Self.number(y2)),
      ], isEmpty: true)
  }
}
