import LinuxSystem
import TestSupport
import Testing

@Suite(.serialized) struct RawTerminalTests {
  private func terminal(_ pseudo: PseudoTerminal) throws -> RawTerminal {
    try #require(
      RawTerminal(
        input: pseudo.end.number, output: pseudo.end.number, enter: "<in>", leave: "<out>"))
  }

  @Test func aTerminalIsGivenBackAsItWas() throws {
    let pseudo = try PseudoTerminal(columns: 70, rows: 20)
    let terminal = try terminal(pseudo)
    #expect(terminal.pollDescriptor == -1 && terminal.size == (70, 20))
    for _ in 0..<2 {
      try terminal.begin()
      #expect(terminal.isEntered && !pseudo.isAsUsual)
      #expect(pseudo.read() == Array("<in>".utf8))
      // A key comes as it is typed, and is not shown.
      pseudo.type("j")
      _ = Poll.wait(
        readable: [terminal.pollDescriptor], until: Clock.monotonic() + 5_000_000_000)
      #expect(terminal.read() == [UInt8(ascii: "j")] && terminal.read() == [])
      #expect(pseudo.read().isEmpty)
      terminal.end()
      terminal.end()
      #expect(pseudo.isAsUsual && pseudo.read() == Array("<out>".utf8))
    }
    try terminal.begin()
    RawTerminal.giveBack()
    RawTerminal.giveBack()
    #expect(pseudo.isAsUsual && pseudo.read() == Array("<in><out>".utf8))
  }

  /// A terminal that nobody reads is not waited for, and gets the rest when it is read again.
  @Test func aTerminalThatIsNotReadIsBehind() throws {
    let pseudo = try PseudoTerminal(columns: 70, rows: 20)
    let terminal = try terminal(pseudo)
    try terminal.begin()
    let picture = (0..<200_000).map { UInt8(ascii: "a") + UInt8($0 % 26) }
    let began = Clock.monotonic()
    terminal.write(picture)
    terminal.send()
    #expect(terminal.isBehind && Clock.monotonic() - began < 1_000_000_000)
    var read = pseudo.read()
    for _ in 0..<10_000 where terminal.isBehind {
      terminal.send()
      read += pseudo.read()
    }
    pseudo.wait(milliseconds: 100)
    read += pseudo.read()
    #expect(!terminal.isBehind && read == Array("<in>".utf8) + picture)
    terminal.end()
  }

  @Test func whatIsNoTerminalIsNone() throws {
    let file = try OwnedDescriptor(open: "/dev/null", 2)
    #expect(RawTerminal(input: file.number, output: file.number, enter: "", leave: "") == nil)
  }

  @Test func aWakeUpWakesOnceAndAgain() throws {
    let wakeUp = try WakeUp()
    func isReadable() -> Bool {
      !Poll.wait(readable: [wakeUp.pollDescriptor], until: Clock.monotonic()).isEmpty
    }
    #expect(!isReadable())
    wakeUp.wake()
    wakeUp.wake()
    #expect(isReadable())
    wakeUp.clear()
    wakeUp.clear()
    #expect(!isReadable())
    wakeUp.wake()
    #expect(isReadable())
  }
}
