/// Which text format answers an `Accept` field (RFC 9110, 12.5.1), and as what media type.
struct Negotiation: Equatable {
  let format: ExpositionFormat
  let contentType: String

  /// One media range of the field.
  private struct Range {
    var type = ""
    var parameters: [String: String] = [:]
    var quality = 1.0

    init(_ text: Substring) {
      let parts = text.split(separator: ";").map(Self.trimmed)
      type = parts.first?.lowercased() ?? ""
      for part in parts.dropFirst() {
        let halves = part.split(separator: "=", maxSplits: 1).map(Self.trimmed)
        guard halves.count == 2 else { continue }
        let value = halves[1].filter { $0 != "\"" }
        if halves[0].lowercased() == "q" {
          quality = Double(value) ?? 0
        } else {
          parameters[halves[0].lowercased()] = value
        }
      }
    }

    private static func trimmed(_ text: Substring) -> String {
      var text = text.drop { $0 == " " || $0 == "\t" }
      while text.last == " " || text.last == "\t" { text.removeLast() }
      return String(text)
    }

    /// The format that the range permits; nil for one that lbsample does not have.
    var format: ExpositionFormat? {
      let version = parameters["version"]
      switch type {
      case "application/openmetrics-text" where [nil, "0.0.1", "1.0.0"].contains(version):
        return .openMetrics
      case "text/plain" where [nil, "0.0.4"].contains(version): return .text
      case "text/*", "*/*": return .text
      default: return nil
      }
    }
  }

  /// The client's favourite of what lbsample has: of equal ones the first; the plain text format
  /// where there is none. Every name is of letters, digits and underscores, which each scheme of
  /// escaping allows: the answer to a client that names a scheme says underscores.
  init(accept: String?) {
    var best: Range?
    for text in (accept ?? "").split(separator: ",").prefix(32) {
      let range = Range(text)
      guard range.format != nil, range.quality > 0, range.quality > best?.quality ?? 0 else {
        continue
      }
      best = range
    }
    format = best?.format ?? .text
    var type = format.contentType
    if format == .openMetrics, best?.parameters["version"] == "0.0.1" {
      type = "application/openmetrics-text; version=0.0.1; charset=utf-8"
    }
    if best?.parameters["escaping"] != nil { type += "; escaping=underscores" }
    contentType = type
  }
}
