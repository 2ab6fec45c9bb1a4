/// Counts and lists for messages.
package enum Counted {
  /// `1 frame`, `2 frames`.
  package static func text(_ count: some BinaryInteger, _ thing: String) -> String {
    "\(count) \(thing)\(count == 1 ? "" : "s")"
  }

  /// The first eight of `names`, and how many more there are.
  package static func list(_ names: [String]) -> String {
    let more = names.count > 8 ? " and \(names.count - 8) more" : ""
    return names.prefix(8).joined(separator: ", ") + more
  }
}
