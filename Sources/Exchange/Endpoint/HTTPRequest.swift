/// A request of HTTP/1.0 or 1.1, as far as a server of pages needs it (RFC 9112).
struct HTTPRequest: Equatable {
  /// What a client's bytes are so far.
  enum Reading: Equatable {
    case incomplete
    case malformed
    case request(HTTPRequest)
  }

  /// The most header fields of a request.
  static let fieldLimit = 64

  let method: String
  /// Without the query.
  let path: String
  private let fields: [Field]

  private struct Field: Equatable {
    let name: String
    let value: String
  }

  /// The values of all fields of this name (in lower case), as one list; nil without one.
  subscript(_ name: String) -> String? {
    let values = fields.filter { $0.name == name }.map(\.value)
    return values.isEmpty ? nil : values.joined(separator: ",")
  }

  /// Reads the head of a request; what follows it is not looked into.
  static func read(_ bytes: [UInt8]) -> Reading {
    guard let end = headEnd(bytes) else {
      // A line of something else, such as TLS, is refused before a limit of time ends it.
      return bytes.first.map { (0x41...0x5A).contains($0) } ?? true ? .incomplete : .malformed
    }
    var lines = bytes[..<end].split(separator: 10, omittingEmptySubsequences: true).map { line in
      line.last == 13 ? line.dropLast() : line
    }
    guard !lines.isEmpty, lines.count <= fieldLimit + 1 else { return .malformed }
    let words = lines.removeFirst().split(separator: 32, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard words.count == 3, words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0",
      words[1].utf8.first == UInt8(ascii: "/"), !words[0].isEmpty,
      words[0].utf8.allSatisfy({ (0x41...0x5A).contains($0) })
    else { return .malformed }
    var fields: [Field] = []
    for line in lines where !line.isEmpty {
      // No field begins with a space, and no name has one: such lines have been read differently by
      // different programs.
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
        line[..<colon].allSatisfy({ $0 > 32 && $0 < 127 })
      else { return .malformed }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      let value = line[line.index(after: colon)...].drop { $0 == 32 || $0 == 9 }
      fields.append(Field(name: name, value: String(decoding: value, as: UTF8.self)))
    }
    let path = words[1].utf8.prefix { $0 != UInt8(ascii: "?") }
    return .request(
      HTTPRequest(method: words[0], path: String(decoding: path, as: UTF8.self), fields: fields))
  }

  /// The index of the empty line.
  private static func headEnd(_ bytes: [UInt8]) -> Int? {
    for index in bytes.indices where bytes[index] == 10 {
      if index + 1 < bytes.count, bytes[index + 1] == 10 { return index + 1 }
      if index + 2 < bytes.count, bytes[index + 1] == 13, bytes[index + 2] == 10 {
        return index + 1
      }
    }
    return nil
  }
}
