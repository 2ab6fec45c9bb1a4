import SampleModel
import TestSupport
import Testing

@Suite struct OSTextTests {
  /// Byte strings in which valid, broken and private sequences stand close together.
  private func strings(_ count: Int) -> [[UInt8]] {
    var random = SeededGenerator(20)
    let pieces: [[UInt8]] = [
      Array("a,/=\\xff".utf8), Array("é漢😀".utf8), [0xEE, 0xBE, 0x80], [0xEE, 0xBF, 0xBF],
      [0xEE, 0xBD, 0xBF], [0xEF, 0x80, 0x80], [0xEE], [0xEE, 0xBE], [0xC0, 0x80],
      [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x9F], [0xCC, 0x81], [0xFF], [0xFE],
    ]
    return (0..<count).map { _ in
      (0..<random.below(8)).flatMap { _ in
        random.chance(0.5) ? random.pick(pieces) : [UInt8(random.below(255) + 1)]
      }
    }
  }

  @Test func bytesComeBackAsTheyWere() {
    for bytes in strings(10_000) {
      let text = OSText.string(bytes)
      #expect(OSText.bytes(text) == bytes)
      #expect(OSText.string(OSText.bytes(text)).unicodeScalars.elementsEqual(text.unicodeScalars))
      #expect(text.osCString.map { UInt8(truncatingIfNeeded: $0) } == bytes + [0])
    }
  }

  /// Two byte strings give two texts, and what is written of them differs too.
  @Test func differentBytesStayDifferent() {
    var texts: [ExactText: [UInt8]] = [:]
    var written: [ExactText: [UInt8]] = [:]
    let spelt = ["\\xff", "\\\\xff", "\\x41", "\\xFF", "\\", "x\\xff\\"].map { Array($0.utf8) }
    for bytes in strings(10_000) + spelt {
      let text = OSText.string(bytes)
      let other = texts.updateValue(bytes, forKey: ExactText(text))
      #expect(other ?? bytes == bytes)
      let line = OSText.written(text)
      #expect(!OSText.hasRawBytes(line))
      let others = written.updateValue(bytes, forKey: ExactText(line))
      #expect(others ?? bytes == bytes)
    }
  }

  @Test func onlyWhatIsNoUTF8IsReplaced() {
    #expect(OSText.string(Array("eth0 é 漢".utf8)) == "eth0 é 漢")
    #expect(OSText.string([0x61, 0xFF, 0x80]) == "a\u{EFFF}\u{EF80}")
    // The end of a character that was cut, and a scalar of the private range itself.
    #expect(OSText.string([0xC3]) == "\u{EFC3}")
    #expect(OSText.string([0xEE, 0xBE, 0x80]) == "\u{EFEE}\u{EFBE}\u{EF80}")
    // The scalars on both sides of the range stand for themselves.
    #expect(OSText.string(Array("\u{EF7F}\u{F000}".utf8)) == "\u{EF7F}\u{F000}")
    #expect(!OSText.hasRawBytes("\u{EF7F}\u{F000}"))
  }

  @Test func aPersonSeesTheByte() {
    #expect("net[\u{EFFF}]".shown == "net[\\xff]")
    #expect("\u{EF80}\u{1B}".shown == "\\x80\\u{1B}")
  }

  @Test func aNameIsWrittenAsItIsUnlessItHasSuchAByte() {
    for name in ["eth0", "a\\b", "dev\\x2dsda", "é"] { #expect(OSText.written(name) == name) }
    #expect(OSText.written("a\\\u{EFFF}") == "a\\\\\\xff")
    #expect(OSText.written("\\xff") == "\\\\xff")
  }

  @Test func aTextOfARecordIsWholeAcrossItsWords() {
    let schema = RecordSchema(
      collector: "top", stream: 0, name: "process",
      fields: (0..<2).map { _ in MetricDescription("comm", .text, .gauge, meaning: "") },
      rowsPerTick: 1)
    let bytes = Array("1234567é".utf8) + [0xFF]
    var words: [UInt64] = [0, 0]
    for (place, byte) in bytes.enumerated() { words[place / 8] |= UInt64(byte) << (place % 8 * 8) }
    let values = RecordValue.read(words.span, row: 0, schema)
    #expect(values.map(\.content) == [.text("1234567é\u{EFFF}")])
  }

  /// To Swift text, a separator with a combining mark behind it is another character.
  @Test func partsAreMadeByScalars() {
    #expect("a=\u{301}b=c".halves("=")?.front == "a")
    #expect(("a=\u{301}b=c".halves("=")?.back).map { Array($0.utf8) } == Array("\u{301}b=c".utf8))
    #expect("none".halves("=") == nil)
    #expect("/a/\u{301}b//".parts("/").count == 2)
    #expect("a,,b".parts(",", keepEmpty: true) == ["a", "", "b"])
    let lines = "a\n\u{301}b\r\nc\n".lines
    #expect(lines.map { Array($0.utf8) } == [[97], [0xCC, 0x81, 98], [99], []])
    #expect("/\u{301}x".begins("/") && "/\u{301}x".has("/") && !"x".begins("xy"))
    #expect(!"\u{E9}=1".begins("e\u{301}="))
  }

  @Test func aPatternComparesBytes() {
    #expect(Glob.matches("net[?]", "net[\u{EFFF}]") && Glob.matches("\u{EFFF}*", "\u{EFFF}a"))
    #expect(!Glob.matches("\u{EFFE}", "\u{EFFF}"))
  }

  /// The accented letter as one scalar and as two are two interfaces to the kernel.
  @Test func namesThatUnicodeCallsEqualAreTwoColumns() {
    let metric = MetricDescription("rx_bytes", .bytes, .counter, meaning: "")
    let columns = ["\u{E9}", "e\u{301}"].map {
      Column(collector: "net", metric: metric, instance: $0)
    }
    #expect(columns[0] != columns[1] && columns[0] == columns[0])
    #expect(columns[1].name.shown == #"net.rx_bytes[e\xcc\x81]"#)
    #expect(MetricKey("net.rx_bytes[e\u{301}]").rawValue == columns[1].name)
    #expect(ExactText("\u{E9}") != ExactText("e\u{301}"))
  }

  /// Names of other bytes are never equal, and have their bytes back; names that need no
  /// other form stay readable, those of scripts with combining marks too.
  @Test func distinctNamesAreNeverEqual() {
    let alike = [
      ["\u{C5}", "\u{212B}", "A\u{30A}"], ["\u{1100}\u{1161}", "\u{AC00}"],
      ["a\u{323}\u{307}", "a\u{307}\u{323}", "\u{1EA1}\u{307}", "\u{227}\u{323}"],
    ]
    for names in alike {
      #expect(Set(names).count == 1)
      let distinct = names.map { OSText.distinct($0) }
      #expect(Set(distinct).count == names.count)
      for (name, one) in zip(names, distinct) {
        #expect(OSText.bytes(one) == Array(name.utf8) && OSText.distinct(one) == one)
        #expect(OSText.distinct("\u{EFFF}\(one)") == "\u{EFFF}\(one)")
      }
    }
    for name in ["eth0", "\u{E9}", "ข้อมูล", "বাংলা", "\u{91C}\u{93C}", "\u{EFFF}", "\u{301}x"] {
      #expect(Array(OSText.distinct(name).utf8) == Array(name.utf8))
    }
  }
}
