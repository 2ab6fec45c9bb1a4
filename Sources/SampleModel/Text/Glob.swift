/// Shell patterns with `*` and `?`; brackets are ordinary characters, since metric names have them.
package enum Glob {
  /// Whether `pattern` matches the whole of `text`. Linear in practice: it backtracks to the last
  /// star only.
  package static func matches(_ pattern: String, _ text: String) -> Bool {
    let pattern = OSText.bytes(pattern)
    let text = OSText.bytes(text)
    var at = 0
    var position = 0
    var star: (pattern: Int, text: Int)?
    while position < text.count {
      if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
        star = (at, position)
        at += 1
      } else if at < pattern.count,
        pattern[at] == UInt8(ascii: "?") || pattern[at] == text[position]
      {
        at += 1
        position += 1
      } else if let last = star {
        at = last.pattern + 1
        position = last.text + 1
        star = (last.pattern, last.text + 1)
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
