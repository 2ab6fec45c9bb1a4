import Testing

/// Words that are not used any more: the glossary has a standard term for each.
@Suite struct WordTests {
  /// Former names in code, with the standard ones.
  private static let names = [
    "TurnLock": "TicketLock", "passTurn": "transferOwnership", "inTurn": "withPassLock",
    "aims": "generation", "cannotHang": "isNonBlocking",
    "liveWithin": "maximumDeliveryLatency", "intervalIsWish": "isIntervalExplicit",
    "answerLimit": "responseTimeout", "isSilent": "isUnresponsive",
    "lendsEdges": "samplesEdgesOnCaller", "canLendEdges": "canSampleEdgesOnCaller",
    "isLeftAlone": "isUnresponsive", "surelyWhole": "shortReadLimit",
    "comesWhole": "isSingleRead", "TextHole": "Placeholder", "HoleList": "PlaceholderList",
    "TextMemory": "TemplateCache", "isNews": "isDirty", "isByWalk": "foundByScan",
    "shut": "closeDescriptor", "keepers": "staticKeyHolders", "Wishes": "Options",
    "wishes": "options", "storeInOrder": "storeSequentiallyConsistent",
    "passedOn": "genericMetric", "ClockWatch": "ClockJumpDetector",
    "StepWatch": "CounterResetTracker", "RefreshWatch": "StaleCounterDetector",
    "tellApart": "disambiguateNames", "callIn": "addFallbacks",
    "takeTurns": "selectRotationGroup", "moving": "verifyCounts",
    "timePlaces": "timeColumns", "resetPlaces": "resetColumns",
    "readOver": "skipRest", "PatientTerminal": "TimedTerminal", "patience": "timeout, limit",
    "leastInterval": "minimumInterval", "leastShare": "minimumRunningRatio",
  ]

  /// Phrases of comments and messages, with plain ones.
  private static let phrases = [
    "gone on with": "continued, resumed", "goes on with": "continues", "read over": "skipped",
    "passed over": "skipped", "looked at": "read, checked", "looks at": "reads, checks",
    "begins anew": "restarts", "armed anew": "re-armed", "whoever": "the reader, the caller",
    "somebody": "another process", "one behind the other": "consecutive, concatenated",
    "stands for": "means", "what it": "the noun itself", "partner of": "pairs with",
    "at the most": "at most", "not any more but": "only", "told from": "distinguished from",
    "is told": "receives, is reported", "comes behind": "follows", "of no use": "unusable",
    "it does not tell": "limits", "is no reason": "do not", "where it stands": "status, offset",
  ]

  /// Contents whose words are others': keys that are stored, and the kernel's own terms.
  private static let exceptions: [String: Set<String>] = [
    "leastShare": ["Sources/SampleModel/Samples/Layout.swift"],
    "leastInterval": ["Sources/Collectors/CollectorCost.swift"],
    "isSilent": ["Sources/lbsample/Options/Options.swift"],
  ]

  private static func sources() throws -> [String] {
    try [".swift", ".h", ".c"].flatMap {
      try RepositoryTests.files(below: "Sources", suffix: $0)
    }
  }

  @Test func formerNamesAreGone() throws {
    for file in try Self.sources() {
      let words = Set(
        try RepositoryTests.text(file).split {
          !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_"))
        }.map(String.init))
      for (name, standard) in Self.names where words.contains(name) {
        guard Self.exceptions[name]?.contains(file) != true else { continue }
        Issue.record("\(file): \(name) is now \(standard)")
      }
    }
  }

  /// Place means index, offset, column or location: `in place` and a message's place are English.
  @Test func noVariableIsCalledPlace() throws {
    for file in try Self.sources() where file.hasPrefix("Sources/") && file.hasSuffix(".swift") {
      for line in try RepositoryTests.text(file).split(separator: "\n") {
        let names = [
          " let place ", " var place ", "(place: ", "for place in", "_ place:", "[place]",
        ]
        for name in names where line.contains(name) {
          Issue.record("\(file): \(line)")
        }
      }
    }
  }

  @Test func commentsAreInPlainEnglish() throws {
    for file in try Self.sources() {
      let comments = Self.comments(try RepositoryTests.text(file))
      for (phrase, plain) in Self.phrases where Self.has(comments, phrase) {
        Issue.record("\(file): \"\(phrase)\": write \(plain)")
      }
    }
  }

  @Test func aPhraseIsFoundAcrossLines() {
    let text = "/// A line that is read\n  /// over here.\nlet text = \"whoever\"\n"
    #expect(Self.has(Self.comments(text), "read over"))
    #expect(!Self.has(Self.comments(text), "whoever"))
    #expect(!Self.has("thread overflow", "read over"))
  }

  /// The words of a source's comments, in one line, in lower case.
  private static func comments(_ source: String) -> String {
    source.split(separator: "\n").compactMap { line -> Substring? in
      let text = line.drop { $0 == " " }
      return text.hasPrefix("//") ? text.drop { $0 == "/" || $0 == " " } : nil
    }.joined(separator: " ").lowercased()
  }

  /// Whether a text has a phrase as whole words.
  private static func has(_ text: String, _ phrase: String) -> Bool {
    let parts = text.split { !$0.isLetter }.joined(separator: " ")
    return " \(parts) ".contains(" \(phrase) ")
  }
}
