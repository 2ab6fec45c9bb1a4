/// The nearest of some known words, for messages.
package enum Nearest {
  /// The most known words, and bytes of a word, that are searched: many mistakes with many known
  /// words would take minutes.
  package static let limit = 1000

  /// The known word with the fewest edits to `word`, if few enough for a typing error; nil also
  /// with more known words or bytes than `limit`.
  package static func word(to word: String, in known: [String]) -> String? {
    guard known.count <= limit, word.utf8.count <= limit else { return nil }
    return known.map { ($0, distance(word, $0)) }
      // Words of up to three letters may differ in one.
      .filter { $0.1 <= (word.count < 4 ? 1 : max(2, word.count / 3)) }
      .min { $0.1 < $1.1 }?.0
  }

  /// `; did you mean x?`, or nothing.
  package static func hint(_ nearest: String?) -> String {
    nearest.map { "; did you mean \($0)?" } ?? ""
  }

  /// Levenshtein's distance, by two rows.
  package static func distance(_ one: String, _ other: String) -> Int {
    let other = Array(other.utf8)
    var row = Array(0...other.count)
    for (index, letter) in one.utf8.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for column in other.indices {
        let above = row[column + 1]
        row[column + 1] = min(
          above + 1, row[column] + 1, diagonal + (letter == other[column] ? 0 : 1))
        diagonal = above
      }
    }
    return row[other.count]
  }
}
