import Output
import SampleModel

/// Builds HTML. Tags and attribute names come from this module's code; all texts and attribute
/// values are escaped.
struct Markup {
  private(set) var buffer = TextBuffer()

  /// Texts of more bytes than this get a box that scrolls.
  static let longText = 400

  /// Escapes text for HTML: markup becomes character references, and invisible characters and those
  /// that change the writing direction become numbers.
  static func escaped(_ text: String) -> String {
    let shown = text.shownInLine
    guard shown.utf8.contains(where: { special.contains($0) }) else { return shown }
    return shown.unicodeScalars.reduce(into: "") { escaped, scalar in
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
  }

  private static let special = Array("&<>\"'".utf8)

  /// Escapes JSON for a script element: markup and line separators become JSON escapes.
  static func data(_ json: [UInt8]) -> [UInt8] {
    // Usually there is nothing to escape.
    let isPlain = json.allSatisfy { byte in
      byte != UInt8(ascii: "<") && byte != UInt8(ascii: ">") && byte != UInt8(ascii: "&")
        && byte != 0xE2
    }
    guard !isPlain else { return json }
    var data: [UInt8] = []
    data.reserveCapacity(json.count)
    var index = 0
    while index < json.count {
      let byte = json[index]
      switch byte {
      case UInt8(ascii: "<"): data += Array("\\u003c".utf8)
      case UInt8(ascii: ">"): data += Array("\\u003e".utf8)
      case UInt8(ascii: "&"): data += Array("\\u0026".utf8)
      // U+2028 and U+2029.
      case 0xE2
      where index + 2 < json.count && json[index + 1] == 0x80
        && (json[index + 2] == 0xA8 || json[index + 2] == 0xA9):
        data += Array("\\u202\(json[index + 2] == 0xA8 ? "8" : "9")".utf8)
        index += 2
      default: data.append(byte)
      }
      index += 1
    }
    return data
  }

  /// Appends trusted markup unchanged.
  mutating func own(_ markup: String) { buffer.append(markup) }

  /// Appends JSON that `data` has escaped.
  mutating func own(data: [UInt8]) { buffer.append(bytes: data) }

  /// Appends the content of another builder.
  mutating func append(_ other: Markup) { buffer.append(other.buffer) }

  /// Appends escaped text.
  mutating func text(_ text: String) { buffer.append(Self.escaped(text)) }

  /// Opens an element.
  mutating func open(_ tag: String, _ attributes: [(name: String, value: String)] = []) {
    own("<\(tag)")
    for attribute in attributes {
      own(" \(attribute.name)=\"")
      text(attribute.value)
      own("\"")
    }
    own(">")
  }

  /// Closes an element.
  mutating func close(_ tag: String) { own("</\(tag)>\n") }

  /// Appends an element that contains text.
  mutating func element(
    _ tag: String, _ content: String, _ attributes: [(name: String, value: String)] = []
  ) {
    open(tag, attributes)
    text(content)
    close(tag)
  }

  /// Appends a list of texts; nothing if there are none.
  mutating func list(_ texts: [String], class name: String = "") {
    guard !texts.isEmpty else { return }
    open("ul", name.isEmpty ? [] : [("class", name)])
    for text in texts {
      element("li", text, text.utf8.count > Self.longText ? [("class", "long")] : [])
    }
    close("ul")
  }
}

/// A table. Cells with numbers also carry them at full precision.
struct MarkupTable {
  /// One cell.
  struct Cell {
    let text: String
    /// The exact number in base units, for sorting and for programs.
    var value: Double?
    var style = ""

    init(_ text: String, _ value: Double? = nil, style: String = "") {
      self.text = text
      self.value = value
      self.style = style
    }
  }

  let caption: String
  /// Columns of numbers are right-aligned.
  let headings: [(text: String, isNumber: Bool)]
  /// The first cell of each row is its heading.
  var rows: [[Cell]] = []
  var id = ""
  /// Whether the script makes the table sortable and, if it is long, filterable.
  var isSortable = false

  init(_ caption: String, _ headings: [(text: String, isNumber: Bool)]) {
    self.caption = caption
    self.headings = headings
  }

  func write(to page: inout Markup) {
    page.open("div", [("class", "scroll")])
    var attributes: [(name: String, value: String)] = id.isEmpty ? [] : [("id", id)]
    if isSortable { attributes.append(("class", "sortable")) }
    page.open("table", attributes)
    page.element("caption", caption)
    page.own("<thead><tr>")
    for heading in headings {
      page.open("th", [("scope", "col")] + (heading.isNumber ? [("class", "n")] : []))
      page.text(heading.text)
      page.own("</th>")
    }
    page.own("</tr></thead>\n<tbody>\n")
    for row in rows {
      page.own("<tr>")
      for (index, cell) in row.enumerated() {
        let tag = index == 0 ? "th" : "td"
        var attributes: [(name: String, value: String)] = index == 0 ? [("scope", "row")] : []
        var style = index < headings.count && headings[index].isNumber ? ["n"] : []
        if !cell.style.isEmpty { style.append(cell.style) }
        if cell.text.utf8.count > Markup.longText { style.append("long") }
        if !style.isEmpty { attributes.append(("class", style.joined(separator: " "))) }
        if let value = cell.value, value.isFinite { attributes.append(("data-v", "\(value)")) }
        page.open(tag, attributes)
        page.text(cell.text)
        page.own("</\(tag)>")
      }
      page.own("</tr>\n")
    }
    page.own("</tbody></table></div>\n")
  }
}
