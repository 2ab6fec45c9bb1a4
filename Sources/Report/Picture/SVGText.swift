import Output
import SampleModel

/// Builds SVG. All texts are escaped.
struct SVGText {
  private var buffer = TextBuffer()

  var bytes: [UInt8] { buffer.bytes }

  /// Escapes text for XML: markup and invisible characters, and the two scalars that XML does not
  /// allow (XML 1.0, 2.2).
  static func escaped(_ text: String) -> String {
    let shown = Markup.escaped(text)
    guard shown.utf8.contains(0xEF) else { return shown }
    return shown.unicodeScalars.reduce(into: "") { kept, scalar in
      kept.unicodeScalars.append([0xFFFE, 0xFFFF].contains(scalar.value) ? "\u{FFFD}" : scalar)
    }
  }

  /// A length in pixels, rounded to a tenth.
  static func number(_ value: Double) -> String {
    let text = Readable.fixed(value, 1)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// Appends trusted markup unchanged.
  mutating func own(_ markup: String) { buffer.append(markup) }

  /// Appends the content of another builder.
  mutating func append(_ other: SVGText) { buffer.append(other.buffer) }

  /// Opens an element; `isEmpty` also closes it.
  mutating func open(
    _ tag: String, _ attributes: [(name: String, value: String)], isEmpty: Bool = false
  ) {
    own("<\(tag)")
    for attribute in attributes { own(" \(attribute.name)=\"\(Self.escaped(attribute.value))\"") }
    own(isEmpty ? "/>\n" : ">")
  }

  /// Appends an element that contains text.
  mutating func element(
    _ tag: String, _ content: String, _ attributes: [(name: String, value: String)] = []
  ) {
    open(tag, attributes)
    own("\(Self.escaped(content))</\(tag)>\n")
  }

  /// Appends a straight line.
  mutating func line(_ style: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) {
    open(
      "line",
      [
        ("class", style), ("x1", Self.number(x1)), ("y1", Self.number(y1)),
        ("x2", Self.number(x2)), ("y2", Self.number(y2)),
      ], isEmpty: true)
  }
}
