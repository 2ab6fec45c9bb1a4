import SampleModel
import Yams

/// Results and plans for programs: the same keys in JSON and in YAML, and in both bytes that are no
/// UTF-8 as `OSText.written` has them.
enum ResultText {
  static let formats = ["text", "json", "yaml"]

  /// The value in `format`, with a line feed at its end.
  static func encode(_ value: some Encodable, _ format: String) throws -> String {
    guard format == "yaml" else { return try JSONText.encode(value, pretty: true) + "\n" }
    let encoder = YAMLEncoder()
    encoder.options.sortKeys = true
    encoder.options.allowUnicode = true
    let text = try encoder.encode(value)
    guard text.utf8.contains(where: { $0 == 0xEE || $0 == UInt8(ascii: "\\") }),
      let node = try compose(yaml: text)
    else { return text }
    return try serialize(node: written(node), allowUnicode: true)
  }

  /// A value with each of its texts as `OSText.written` has it.
  private static func written(_ node: Node) -> Node {
    switch node {
    case .scalar(var scalar):
      let text = OSText.written(scalar.string)
      if text != scalar.string { scalar.string = text }
      return .scalar(scalar)
    case .sequence(let list):
      return .sequence(Node.Sequence(list.map(written), list.tag, list.style))
    case .mapping(let table):
      return .mapping(
        Node.Mapping(table.map { (written($0.key), written($0.value)) }, table.tag, table.style))
    case .alias: return node
    }
  }

  /// The format that a file's name asks for.
  static func format(ofFile path: String) -> String {
    path.hasSuffix(".yaml") || path.hasSuffix(".yml") ? "yaml" : "json"
  }
}
