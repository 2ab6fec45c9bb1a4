import KernelText
import Testing

/// When a text is of a learnt shape, and when it is not.
@Suite struct ShapeTests {
  private func template(
    _ text: String, _ learn: (KernelText) throws(KernelTextError) -> [Placeholder]
  ) throws -> TextTemplate {
    let kernelText = KernelText(Array(text.utf8).span)
    return TextTemplate(kernelText, placeholders: try learn(kernelText))
  }

  /// Values are the same with the last newline or without, whichever the learnt text had.
  @Test(arguments: Grammar.all)
  func theLastNewlineMakesNoDifference(_ grammar: Grammar) throws {
    for kernel in kernels() {
      guard let text = fixture(kernel, grammar.path), text.last == 10 else { continue }
      let cut = Array(text.dropLast())
      let values = try grammar.values(text)
      #expect(try grammar.values(cut) == values, "\(kernel)/\(grammar.path)")
      for (learnt, other) in [(text, cut), (cut, text)] {
        let (template, fields) = try grammar.template(learnt)
        let cache = template.makeCache()
        for copy in [learnt, other, other, learnt] {
          let numbers = try parse(template, copy, cache)
          #expect(zip(fields, numbers).allSatisfy { values[name($0.0)] == $0.1 })
        }
        #expect(throws: KernelTextError.self) { try parse(template, text + [10, 10]) }
      }
    }
  }

  private func name(_ field: TextField) -> String {
    field.instance.isEmpty ? field.name : "\(field.name)[\(field.instance)]"
  }

  /// Where the last line is read over, it may gain or lose its newline too.
  @Test(arguments: ["ctxt 5\nbtime 17", "ctxt 5\nsoftirq 7 8 9", "ctxt 5\nsoftirq 7 8 9\n\nx 1"])
  func aLastLineThatIsReadOverIsWhole(_ text: String) throws {
    for learnt in [text, text + "\n"] {
      let shape = try template(learnt) { text throws(KernelTextError) in
        try TextFormat.stat(text)
      }
      for other in [text, text + "\n", text + " 12345", text + " 1\n"] {
        #expect(try parse(shape, Array(other.utf8)).first == 5, "\(other.debugDescription)")
      }
    }
  }

  /// A wanted row in the place of an unwanted one is another shape.
  @Test func theLabelsOfSkippedRowsAreTheShape() throws {
    let disks = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n7 1 loop1 1 2 3 4 5 6 7 8 9 10 11\n"
    let skipped = try template(disks) { text throws(KernelTextError) in
      try TextFormat.disks(text) { !$0.hasPrefix("loop") }
    }
    #expect(skipped.valueCount == 11)
    let stat = try template("ctxt 5\nbtime 17\nnew 1 2\n") { text throws(KernelTextError) in
      try TextFormat.stat(text)
    }
    let zones = try template(
      "Node 0, zone DMA\n  pages free 1\n  pagesets\n    cpu: 0\n      count: 7\n"
    ) { text throws(KernelTextError) in try TextFormat.zones(text, perCPU: false) }
    let rows = try template("     CPU0\n 1: 5 x\nFIQ:   usb\n") { text throws(KernelTextError) in
      try TextFormat.interrupts(text, perCPU: false)
    }
    let calls = try template("rpc 1 2\nra 5 6\n") { text throws(KernelTextError) in
      try TextFormat.remoteCalls(text, ["rpc": ["a", "b"]], of: "s")
    }
    for (shape, same, others) in [
      (
        skipped, disks.replacing("loop1 1 2", with: "loop1 100 200 300"),
        [
          disks.replacing("7 1 loop1", with: "8 1 sdb"), disks.replacing("loop1", with: "loop12"),
          disks.replacing("7 1 loop1", with: "7 2 loop1"),
        ]
      ),
      (
        stat, "ctxt 7\nbtime 18\nnew\n",
        ["ctxt 7\ncpu0 1 2 3 4\nnew 1\n", "ctxt 7\nbtime 18\nnewer 1\n"]
      ),
      (
        zones, "Node 0, zone DMA\n  pages free 2\n  pagesets\n    cpu: 0\n      count: 88\n",
        ["Node 0, zone DMA\n  pages free 2\n  pagesets\n    cpu: 0\n      free: 7\n"]
      ),
      (rows, "     CPU0\n 1: 6 x\nFIQ: other\n", ["     CPU0\n 1: 6 x\nFIR: usb\n"]),
      (calls, "rpc 3 4\nra 7\n", ["rpc 3 4\nrb 5 6\n"]),
    ] as [(TextTemplate, String, [String])] {
      #expect(throws: Never.self) { try parse(shape, Array(same.utf8)) }
      for other in others {
        #expect(throws: KernelTextError.layoutChanged, "\(other)") {
          try parse(shape, Array(other.utf8))
        }
      }
    }
  }

  /// A digit at a label is the label's: `pswpin5` is no `pswpin` of 5.
  @Test func aNumberAtALabelIsNoValue() throws {
    let list = try template("pswpin 12\npswpout 3\n") { text throws(KernelTextError) in
      try TextFormat.list(text)
    }
    let cpus = try template("cpu1 1 2 3 4\nctxt 5\n") { text throws(KernelTextError) in
      try TextFormat.stat(text)
    }
    for (shape, other) in [
      (list, "pswpin5\npswpout 3\n"), (list, "pswpin 12\npswpout3\n"),
      (cpus, "cpu10 2 3 4\nctxt 5\n"), (cpus, "cpu1 1 2-3 4\nctxt 5\n"),
      (cpus, "cpu1 1 2 3 4\nctxt 5x\n"), (cpus, "cpu1 1 2 3 4\nctxt\n5\n"),
    ] {
      #expect(throws: KernelTextError.self, "\(other)") { try parse(shape, Array(other.utf8)) }
    }
    // A column that overflows reaches its label's colon.
    let memory = try template("Stack:   5 kB\n") { text throws(KernelTextError) in
      try TextFormat.list(text)
    }
    #expect(try parse(memory, Array("Stack:1234567890 kB\n".utf8)) == [1_234_567_890])
  }

  @Test func aSignStandsAtItsNumber() throws {
    let row = try template("5 -5 7\n") { text throws(KernelTextError) in
      try TextFormat.row(text, ["a", "b", "c"], form: .signed)
    }
    #expect(try parse(row, Array("-1 0 3\n".utf8)) == [.max, 0, 3])
    for other in ["5 - 5 7\n", "5 -\t5 7\n", "5-5 7\n", "5 --5 7\n", "5 +5 7\n"] {
      #expect(throws: KernelTextError.self, "\(other)") { try parse(row, Array(other.utf8)) }
    }
  }

  /// Numbers of more than 64 bits are never read, however they stand.
  @Test func whatExceeds64BitsIsNoNumber() throws {
    for (form, word) in [
      (.decimal, "18446744073709551616"), (.decimal, "99999999999999999999999999"),
      (.signed, "9223372036854775808"), (.signed, "-9223372036854775809"),
      (.hexadecimal, "10000000000000000"), (.hundredths, "184467440737095517.00"),
    ] as [(NumberForm, String)] {
      let text = KernelText(Array("\(word) 7\n".utf8).span)
      let placeholders = try TextFormat.row(text, ["a", "b"], form: form)
      #expect(
        placeholders.map(\.content) == [.unreadable(TextField("a")), .number(form, TextField("b"))])
    }
  }
}
