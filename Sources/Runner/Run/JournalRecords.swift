import SampleModel
package import Sampler

/// A ring that was grown after it had been full: the content of the event `ring.grown`.
package struct GrownRing: Sendable, Hashable {
  /// The sampling thread's number.
  package let thread: Int
  /// The number of frames that had been dropped.
  package let dropped: UInt64
  /// Bytes of the ring before and after.
  package let from: Int
  package let to: Int

  /// A ring that grew after this number of frames had been `dropped`.
  package init(_ growth: RingGrowth, dropped: UInt64) {
    thread = growth.thread
    self.dropped = dropped
    from = growth.from
    to = growth.to
  }

  /// The event's message.
  package var journalMessage: String {
    "thread=\(thread) dropped=\(dropped) from_bytes=\(from) to_bytes=\(to)"
  }

  /// Reads `journalMessage`; nil for any other text.
  package init?(journalMessage: String) {
    var fields: [Substring: Substring] = [:]
    for word in journalMessage.split(separator: " ") {
      let parts = word.split(separator: "=")
      if parts.count == 2 { fields[parts[0]] = parts[1] }
    }
    guard let thread = fields["thread"].flatMap({ Int($0) }),
      let dropped = fields["dropped"].flatMap({ UInt64($0) }),
      let from = fields["from_bytes"].flatMap({ Int($0) }),
      let to = fields["to_bytes"].flatMap({ Int($0) })
    else { return nil }
    self.thread = thread
    self.dropped = dropped
    self.from = from
    self.to = to
  }
}

/// The answer to a question of an `approve` phase: the content of the event `approval`.
package struct ApprovalAnswer: Sendable, Hashable {
  package let question: String
  package let word: Approval.Word
  /// Who answered: `user 1000`.
  package let author: String

  /// An answer by this author.
  package init(question: String, _ word: Approval.Word, by author: String) {
    self.question = question
    self.word = word
    self.author = author
  }

  /// The event's message.
  package var journalMessage: String { question + Self.separator(word) + author }

  /// Reads `journalMessage`; nil for any other text. An author has no separator in it, so that the
  /// last one of the text counts, whatever the question holds.
  package init?(journalMessage: String) {
    var last: (range: Range<String.Index>, word: Approval.Word)?
    for word in Approval.Word.allCases {
      guard let range = journalMessage.ranges(of: Self.separator(word)).last else { continue }
      if let known = last, known.range.lowerBound > range.lowerBound { continue }
      last = (range, word)
    }
    guard let last else { return nil }
    question = String(journalMessage[..<last.range.lowerBound])
    word = last.word
    author = String(journalMessage[last.range.upperBound...])
  }

  private static func separator(_ word: Approval.Word) -> String { ": \(word.rawValue) by " }
}
