import SampleModel

/// Results and plans for programs: the same keys in JSON and in YAML, and in both bytes that are no
/// UTF-8 as `OSText.written` has them.
enum ResultText {
  static let formats = ["text", "json", "yaml"]

  /// The value in `format`, with a line feed at its end.
  static func encode(_ value: some Encodable, _ format: String) throws -> String {
    guard format == "yaml" else { return try JSONText.encode(value, pretty: true) + "\n" }
    return YAMLText.text(of: try JSONText.encode(value))
  }

  /// The format that a file's name asks for.
  static func format(ofFile path: String) -> String {
    path.hasSuffix(".yaml") || path.hasSuffix(".yml") ? "yaml" : "json"
  }
}
