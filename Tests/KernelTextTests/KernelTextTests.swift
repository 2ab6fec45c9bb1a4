import KernelText
import LinuxSystem
import RunAnalysis
import Testing

private func fixture(_ name: String, file: String = #filePath) throws -> [UInt8] {
  let tests = file.split(separator: "/").dropLast(2).joined(separator: "/")
  return try SmallFile.read("/\(tests)/Fixtures/\(name)")
}

private func parse<T: KernelTable>(_ table: T, _ text: [UInt8]) throws(KernelTextError) -> [UInt64]
{
  var values = [UInt64](repeating: 0, count: table.valueCount)
  var span = values.mutableSpan
  try table.parse(text.span, into: &span)
  return values
}

/// The same numbers by another way: splitting strings.
private func statByWords(_ text: [UInt8]) -> [UInt64] {
  var values: [UInt64] = []
  for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
    let words = line.split(separator: " ")
    if words[0].hasPrefix("cpu") {
      values += words.dropFirst().map { UInt64($0) ?? .max }
    } else if words[0] != "btime" {
      values.append(UInt64(words[1]) ?? .max)
    }
  }
  return values
}

private let modern = """
  cpu  10 20 30 40 50 60 70 80 90 100
  cpu0 1 2 3 4 5 6 7 8 9 10
  cpu3 9 18 27 36 45 54 63 72 81 90
  intr 12345 1 2 3 0 0
  ctxt 777
  btime 1700000000
  processes 88
  procs_running 3
  procs_blocked 1
  softirq 999 1 2 3

  """
/// Linux 2.6.16: eight time columns, no softirq line.
private let old = """
  cpu  10 20 30 40 50 60 70 80
  cpu0 1 2 3 4 5 6 7 8
  intr 12345 1 2 3
  ctxt 777
  btime 1700000000
  processes 88
  procs_running 3
  procs_blocked 1

  """

@Suite struct ProcStatTests {
  @Test func readsEveryField() throws {
    let text = Array(modern.utf8)
    let table = try ProcStat(shapeOf: text.span)
    #expect(table.cpus == [0, 3])
    #expect(table.fieldCount == 10)
    #expect(try parse(table, text) == statByWords(text))
    #expect(Array(try parse(table, text).suffix(6)) == [12345, 777, 88, 3, 1, 999])
  }

  @Test func readsAnOldKernel() throws {
    let text = Array(old.utf8)
    let table = try ProcStat(shapeOf: text.span)
    #expect(table.fieldCount == 8)
    #expect(table.totalMask == 0b011111)
    #expect(try parse(table, text) == statByWords(text))
  }

  @Test func readsTheCapturedKernels() throws {
    for kernel in directoryEntries(fixtures()) {
      let text = try fixture("\(kernel)/proc/stat")
      let table = try ProcStat(shapeOf: text.span)
      #expect(table.cpus.count > 0, "\(kernel)")
      #expect(try parse(table, text) == statByWords(text), "\(kernel)")
    }
  }

  @Test func aCPUThatCameOrWentIsALayoutChangeNeverAShiftedColumn() throws {
    let table = try ProcStat(shapeOf: Array(modern.utf8).span)
    let three = modern.split(separator: "\n", omittingEmptySubsequences: false)
    let fewer = three.filter { !$0.hasPrefix("cpu3") }.joined(separator: "\n")
    let more = modern.split(separator: "intr").joined(separator: "cpu4 1 1 1 1 1 1 1 1 1 1\nintr")
    let other = three.map { $0.hasPrefix("cpu0") ? "cpu1 " + $0.dropFirst(5) : $0 }
      .joined(separator: "\n")
    for text in [fewer, more, other] {
      #expect(throws: KernelTextError.layoutChanged) { try parse(table, Array(text.utf8)) }
    }
  }

  @Test func aPrefixNeverGivesWrongNumbers() throws {
    let text = Array(modern.utf8)
    let table = try ProcStat(shapeOf: text.span)
    let whole = try parse(table, text)
    for length in 0..<text.count {
      do throws(KernelTextError) {
        let values = try parse(table, Array(text[..<length]))
        #expect(values == whole, "a text cut at \(length) gave other numbers")
      } catch {
        #expect(error == .truncated || error == .layoutChanged, "cut at \(length): \(error)")
      }
    }
  }

  @Test func namesTheMalformedLineAndField() throws {
    let table = try ProcStat(shapeOf: Array(modern.utf8).span)
    let broken = modern.split(separator: "cpu0 1 2 3").joined(separator: "cpu0 1 2 x")
    #expect(throws: KernelTextError.malformed(line: 2, field: 4)) {
      try parse(table, Array(broken.utf8))
    }
    let huge = modern.split(separator: " 777").joined(separator: " 99999999999999999999")
    #expect(throws: KernelTextError.malformed(line: 5, field: 2)) {
      try parse(table, Array(huge.utf8))
    }
  }

  @Test func hostileTextIsRefusedOrRead() throws {
    let table = try ProcStat(shapeOf: Array(modern.utf8).span)
    try mutate(Array(modern.utf8)) { text in
      _ = try? ProcStat(shapeOf: text.span)
      _ = try? parse(table, text)
    }
  }
}

private let interfaces = """
  Inter-|   Receive                                                |  Transmit
   face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
      lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
  br-long-name0:101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116

  """

@Suite struct ProcNetDevTests {
  @Test func readsEveryColumn() throws {
    let text = Array(interfaces.utf8)
    let table = try ProcNetDev(shapeOf: text.span)
    #expect(table.interfaces == ["lo", "br-long-name0"])
    #expect(try parse(table, text) == (1...16).map { $0 } + (101...116).map { $0 })
  }

  @Test func readsTheCapturedKernels() throws {
    for kernel in directoryEntries(fixtures()) {
      let text = try fixture("\(kernel)/proc/net/dev")
      let table = try ProcNetDev(shapeOf: text.span)
      let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").dropFirst(2)
      let expected = lines.flatMap { line in
        line.split(separator: ":")[1].split(separator: " ").map { UInt64($0) ?? .max }
      }
      #expect(try parse(table, text) == expected, "\(kernel)")
    }
  }

  @Test func anInterfaceThatCameWentOrWasRenamedIsALayoutChange() throws {
    let table = try ProcNetDev(shapeOf: Array(interfaces.utf8).span)
    let more = interfaces + "  eth9: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    let fewer = interfaces.split(separator: "\n").dropLast().joined(separator: "\n") + "\n"
    let renamed = interfaces.split(separator: "name0:").joined(separator: "name1:")
    let longer = interfaces.split(separator: "lo:").joined(separator: "lo0:")
    for text in [more, fewer, renamed, longer] {
      #expect(throws: KernelTextError.layoutChanged) { try parse(table, Array(text.utf8)) }
    }
  }

  @Test func aPrefixNeverGivesWrongNumbers() throws {
    let text = Array(interfaces.utf8)
    let table = try ProcNetDev(shapeOf: text.span)
    for length in 0..<text.count {
      #expect(throws: KernelTextError.self, "cut at \(length)") {
        try parse(table, Array(text[..<length]))
      }
    }
  }

  @Test func hostileTextIsRefusedOrRead() throws {
    let table = try ProcNetDev(shapeOf: Array(interfaces.utf8).span)
    try mutate(Array(interfaces.utf8)) { text in
      _ = try? ProcNetDev(shapeOf: text.span)
      _ = try? parse(table, text)
    }
  }
}

private func fixtures(file: String = #filePath) -> String {
  "/" + file.split(separator: "/").dropLast(2).joined(separator: "/") + "/Fixtures"
}

/// Calls `body` with thousands of damaged copies: bytes changed, removed, doubled, cut. That it
/// comes back at all is the test: a trap would end the process.
private func mutate(_ text: [UInt8], _ body: ([UInt8]) throws -> Void) throws {
  var random = SplitMix64(seed: 7)
  for _ in 0..<5000 {
    var copy = text
    for _ in 0...random.index(below: 4) {
      guard !copy.isEmpty else { break }
      let place = random.index(below: copy.count)
      switch random.index(below: 4) {
      case 0: copy[place] = UInt8(truncatingIfNeeded: random.next())
      case 1: copy.remove(at: place)
      case 2: copy.insert(contentsOf: copy[place...].prefix(random.index(below: 40)), at: place)
      default: copy.removeLast(random.index(below: copy.count))
      }
    }
    try body(copy)
  }
}
