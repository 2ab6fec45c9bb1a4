import Output
import SampleModel

/// HTML under construction. Only tags and attributes' names that this module's code spells are
/// written as they are; every text is escaped, whatever it is made of.
struct Markup {
  private(set) var buffer = TextBuffer()

  /// Texts longer than this many bytes get a box that scrolls.
  static let longText = 400

  /// Text as it is seen: characters that would change the direction of writing or are not to be
  /// seen by number, what HTML gives a meaning as a reference.
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

  /// JSON for an element of data: without what could end that element, or a line of a script.
  static func data(_ json: [UInt8]) -> [UInt8] {
    var data: [UInt8] = []
    data.reserveCapacity(json.count)
    var place = 0
    while place < json.count {
      let byte = json[place]
      switch byte {
      case UInt8(ascii: "<"): data += Array("\\u003c".utf8)
      case UInt8(ascii: ">"): data += Array("\\u003e".utf8)
      case UInt8(ascii: "&"): data += Array("\\u0026".utf8)
      // U+2028 and U+2029.
      case 0xE2
      where place + 2 < json.count && json[place + 1] == 0x80
        && (json[place + 2] == 0xA8 || json[place + 2] == 0xA9):
        data += Array("\\u202\(json[place + 2] == 0xA8 ? "8" : "9")".utf8)
        place += 2
      default: data.append(byte)
      }
      place += 1
    }
    return data
  }

  /// Appends markup of this module's own.
  mutating func own(_ markup: String) { buffer.append(markup) }

  /// Appends another part.
  mutating func append(_ other: Markup) { buffer.append(other.buffer) }

  /// Appends text.
  mutating func text(_ text: String) { buffer.append(Self.escaped(text)) }

  /// Begins an element.
  mutating func open(_ tag: String, _ attributes: [(name: String, value: String)] = []) {
    own("<\(tag)")
    for attribute in attributes {
      own(" \(attribute.name)=\"")
      text(attribute.value)
      own("\"")
    }
    own(">")
  }

  /// Ends an element.
  mutating func close(_ tag: String) { own("</\(tag)>\n") }

  /// An element of text.
  mutating func element(
    _ tag: String, _ content: String, _ attributes: [(name: String, value: String)] = []
  ) {
    open(tag, attributes)
    text(content)
    close(tag)
  }

  /// A list of texts; nothing of none.
  mutating func list(_ texts: [String], class name: String = "") {
    guard !texts.isEmpty else { return }
    open("ul", name.isEmpty ? [] : [("class", name)])
    for text in texts {
      element("li", text, text.utf8.count > Self.longText ? [("class", "long")] : [])
    }
    close("ul")
  }
}

/// A table of texts, of which numbers also have their value at full precision.
struct MarkupTable {
  /// One cell.
  struct Cell {
    let text: String
    /// The value in base units, for sorting and for programs.
    var value: Double?
    var style = ""

    init(_ text: String, _ value: Double? = nil, style: String = "") {
      self.text = text
      self.value = value
      self.style = style
    }
  }

  let caption: String
  /// Columns of numbers are aligned at the right.
  let headings: [(text: String, isNumber: Bool)]
  /// The first cell of each is its heading.
  var rows: [[Cell]] = []
  var id = ""
  /// Whether the script lets readers sort and filter it.
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
      for (place, cell) in row.enumerated() {
        let tag = place == 0 ? "th" : "td"
        var attributes: [(name: String, value: String)] = place == 0 ? [("scope", "row")] : []
        var style = place < headings.count && headings[place].isNumber ? ["n"] : []
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
