import Foundation
import GRDB
import LinuxSystem
import RunStore
import TestSupport
import Testing

/// `lbsample view` and `lbsample --view` on a terminal of the test's own.
@Suite struct ViewCommandTests {
  /// The command on a terminal, and what that shows.
  private final class Session {
    let terminal: PseudoTerminal
    let process = Process()
    var screen: ScreenGrid
    private let error: String
    private(set) var written: [UInt8] = []

    init(
      _ command: Command, _ arguments: [String], columns: Int = 90, rows: Int = 16,
      environment: [String: String] = [:]
    ) throws {
      terminal = try PseudoTerminal(columns: UInt16(columns), rows: UInt16(rows))
      screen = ScreenGrid(columns: columns, rows: rows)
      error = command.folder.file("error-of-view")
      try Data().write(to: URL(fileURLWithPath: error))
      // Its own session, whose terminal this is: keys are signals then.
      process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
      process.arguments = ["--ctty", "--wait", Command.path] + arguments
      process.environment = command.environment.merging(
        [
          "TERM": "xterm", "LC_ALL": "C.UTF-8", "TZ": "UTC",
          // Swift's own handler would ask at the terminal what to do about a crash.
          "SWIFT_BACKTRACE": "enable=no",
        ].merging(environment) { $1 }
      ) { $1 }
      process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
      let end = FileHandle(fileDescriptor: terminal.end.number, closeOnDealloc: false)
      process.standardInput = end
      process.standardOutput = end
      process.standardError = FileHandle(forWritingAtPath: error)
      try process.run()
    }

    var messages: String {
      String(decoding: FileManager.default.contents(atPath: error) ?? Data(), as: UTF8.self)
    }

    private func take() {
      let bytes = terminal.read()
      written += bytes
      screen.take(bytes)
    }

    /// Waits until the screen is such, for at most 20 seconds.
    func wait(_ what: String, until condition: ([String]) -> Bool) {
      let end = Clock.monotonic() + 20_000_000_000
      while Clock.monotonic() < end {
        take()
        if condition(screen.lines) { return }
        terminal.wait(milliseconds: 50)
      }
      Issue.record("\(what): \(screen.lines.joined(separator: "\n"))")
    }

    /// The command's own process.
    var pid: Int32? {
      let path = "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children"
      let text = String(
        decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
      // Where setsid needs no child it is the command.
      return text.split(separator: " ").first.flatMap { Int32($0) } ?? process.processIdentifier
    }

    /// Waits for the end; gives the code that a shell would see.
    func finish() -> Int32 {
      // Its terminal is read until then: the end may have to be written.
      while process.isRunning {
        take()
        terminal.wait(milliseconds: 5)
      }
      take()
      return process.terminationReason == .uncaughtSignal
        ? 128 + process.terminationStatus : process.terminationStatus
    }

    /// Whether the terminal is as it was before.
    var isGivenBack: Bool {
      terminal.isAsUsual && !screen.isAlternate && screen.isCursorShown && screen.wraps
    }
  }

  private func recorded(_ command: Command) throws -> String {
    let outcome = try command(
      "--cpu", "--memory", "--load", "-i", "10ms", "--count", "60", "--record", "r.lbsample",
      "--format", "csv")
    try #require(outcome.code == 0, "\(outcome.error)")
    return "r.lbsample"
  }

  /// The rows of a screen or a table: those that begin with a time of day.
  private func rows(_ lines: [String]) -> [String] {
    lines.filter { line in
      line.count > 16 && Array(line)[2] == ":" && Array(line)[8] == "." && line.contains("|")
    }
  }

  /// Nanoseconds of a day as the view writes them: `12:30:05.120`.
  private func clock(_ unix: UInt64) -> String {
    let milliseconds = unix / 1_000_000 % 86_400_000
    func padded(_ number: UInt64, _ width: Int) -> String {
      String(repeating: "0", count: max(0, width - String(number).count)) + String(number)
    }
    let seconds = milliseconds / 1000
    return [seconds / 3600, seconds / 60 % 60, seconds % 60].map { padded($0, 2) }
      .joined(separator: ":") + "." + padded(milliseconds % 1000, 3)
  }

  /// The number in a cell with the size of its last digit; nil for no number.
  private func number(_ cell: String) -> (value: Double, step: Double)? {
    let units: [Character: Double] = [
      "B": 1, "k": 1e3, "K": 1024, "M": 1_048_576, "G": 1_073_741_824,
    ]
    var digits = cell
    let unit = digits.last.flatMap { units[$0] }
    if unit != nil { digits.removeLast() }
    guard let value = Double(digits) else { return nil }
    let decimals = digits.firstIndex(of: ".").map { digits.distance(from: $0, to: digits.endIndex) }
    let step = (1..<(decimals ?? 1)).reduce(1.0) { size, _ in size / 10 }
    return (value * (unit ?? 1), step * (unit ?? 1))
  }

  /// The cells of a screen are the values of `export` at the same times, wherever in the run.
  @Test func cellsAreTheValuesOfExport() throws {
    let command = try Command()
    let file = try recorded(command)
    let names = ["cpu.user[all]", "cpu.ctxt", "memory.MemAvailable"]
    let exported = try command(
      "export", file, "--format", "csv", "--metric", names[0], "--metric", names[1], "--metric",
      names[2])
    try #require(exported.code == 0, "\(exported.error)")
    let lines = exported.lines.map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let places = try names.map { name in try #require(lines[0].firstIndex { $0 == name }) }
    var values: [String: [Double?]] = [:]
    for line in lines.dropFirst() {
      let time = try #require(UInt64(line[0]))
      values[clock(time)] = places.map { Double(line[$0]) }
    }
    try #require(values.count == 60)
    let shown = try command("runs", "show", file, "--format", "json")
    let object = try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any]
    let host = try #require(object?["host"] as? [String: String])
    let cpus = try #require(host["cpus"].flatMap { Double($0) })

    let session = try Session(command, ["view", file] + names.flatMap { ["--only", $0] })
    var seen = Set<String>()
    for (key, places) in [
      ("", ["  0%", "  1%", "  2%"]), ("30%", ["  30%", "  31%"]), ("G", ["  100%"]),
    ] {
      session.terminal.type(key)
      session.wait("rows at \(places)") { lines in
        rows(lines).count >= 8 && places.contains { lines[15].contains($0) }
      }
      for line in rows(session.screen.lines) {
        let cells = line.split { " |".contains($0) }.map(String.init)
        try #require(cells.count == 4, "\(line)")
        let own = try #require(values[cells[0]], "\(line)")
        for (cell, value) in zip(
          cells.dropFirst(), [own[0].map { $0 * 100 / cpus }, own[1], own[2]])
        {
          guard let value, let (number, step) = number(cell) else {
            #expect(cell == "-" && value == nil, "\(line)")
            continue
          }
          #expect(abs(number - value) <= step * 0.5001, "\(line): \(cell) is not \(value)")
        }
        seen.insert(cells[0])
      }
    }
    #expect(seen.count >= 22, "\(seen.sorted())")
    session.terminal.type("q")
    #expect(session.finish() == 0)
  }

  /// However a view ends, its terminal is as it was.
  @Test(
    arguments: [
      (SIGTERM, 143), (SIGHUP, 129), (0, 130),
    ] as [(Int32, Int32)])
  func anEndGivesTheTerminalBack(signal: Int32, code: Int32) throws {
    let command = try Command()
    let session = try Session(command, ["view", try recorded(command)])
    session.wait("rows") { rows($0).count > 5 }
    #expect(!session.terminal.isAsUsual)
    if signal == 0 {
      session.terminal.type("\u{3}")
    } else if let pid = session.pid {
      kill(pid, signal)
    }
    let ended = session.finish()
    #expect(ended == code)
    #expect(session.isGivenBack)
  }

  /// Whoever wrote the file chose its names and messages: a terminal gets them by their numbers.
  @Test func namesOfAFileDoNotControlAView() throws {
    let command = try Command()
    let file = command.folder.file(try recorded(command))
    let queue = try DatabaseQueue(path: file)
    try queue.write { db in
      try db.execute(
        sql: """
          UPDATE run SET id = 'id' || char(27) || ']0;owned' || char(7, 8238, 155) || '31m';
          INSERT INTO journal (unix_ns, level, kind, message, session)
            SELECT realtime_ns + 50000000, 'notice', 'note',
              'note' || char(27) || '[2J' || char(8238), 1
            FROM anchor ORDER BY monotonic_ns LIMIT 1
          """)
    }
    try queue.close()
    try Seal.renew(inFile: file)
    let session = try Session(command, ["view", file])
    session.wait("rows") { rows($0).count > 5 && $0.contains { $0.contains("id\\u{1B}]0;owned") } }
    session.terminal.type("g")
    session.wait("the note") { $0.contains { $0.contains("note\\u{1B}[2J") } }
    session.terminal.type("q")
    #expect(session.finish() == 0 && session.isGivenBack)
    // The start of an operating system command, of C1's control sequences, and a mark of direction.
    for start in [[0x1B, 0x5D], [0xC2, 0x9B], [0xE2, 0x80, 0xAE]] as [[UInt8]] {
      let text = session.written
      #expect(!text.indices.contains { text[$0...].starts(with: start) }, "\(start)")
    }
  }

  /// Ctrl-Z gives the terminal back to the shell, and fg takes it again.
  @Test func aSuspendedViewHasNoTerminal() throws {
    let command = try Command()
    let session = try Session(command, ["view", try recorded(command)])
    session.wait("rows") { rows($0).count > 5 }
    let pid = try #require(session.pid)
    kill(pid, SIGTSTP)
    session.wait("the screen given back") { _ in session.isGivenBack }
    kill(pid, SIGCONT)
    session.wait("rows again") { rows($0).count > 5 && session.screen.isAlternate }
    #expect(!session.terminal.isAsUsual)
    session.terminal.type("q")
    #expect(session.finish() == 0 && session.isGivenBack)
  }

  @Test func aLiveViewRecordsAndEnds() throws {
    let command = try Command()
    let session = try Session(
      command, ["--view", "--cpu", "-i", "50ms", "--record", "live.lbsample"])
    session.wait("rows and their history") { lines in
      rows(lines).count > 5 && lines[3].hasPrefix("history")
        && lines[3].contains { "▁▂▃▄▅▆▇█".contains($0) }
    }
    session.terminal.type("k")
    session.wait("paused") { $0[15].contains("paused") }
    session.terminal.type("G")
    session.wait("live") { $0[15].contains("live") }
    session.terminal.type("q")
    #expect(session.finish() == 0 && session.isGivenBack)
    #expect(session.messages.contains(" deadlines = ") && session.messages.contains("recorded"))
    #expect(try command("export", "live.lbsample").lines.count > 5)
  }

  /// A terminal that nobody reads costs pictures, and no sample.
  @Test func aTerminalThatIsNotReadCostsNoSample() throws {
    let command = try Command()
    let session = try Session(
      command, ["--view", "--cpu", "-i", "5ms", "--count", "400", "--record", "slow.lbsample"],
      columns: 250, rows: 200)
    // Two seconds, in which the terminal's room is full after some pictures.
    while session.process.isRunning { usleep(20_000) }
    _ = session.finish()
    #expect(session.messages.contains(" 0 dropped"), "\(session.messages)")
    #expect(session.terminal.isAsUsual)
  }

  @Test(arguments: ["dumb", ""]) func aTerminalThatCannotHasTheTable(name: String) throws {
    let command = try Command()
    let file = try recorded(command)
    let session = try Session(command, ["view", file], environment: ["TERM": name])
    #expect(session.finish() == 0)
    #expect(!session.written.contains(0x1B) || name.isEmpty)
    #expect(!String(decoding: session.written, as: UTF8.self).contains("[?1049h"))
    #expect(session.messages.contains("no view: TERM is"))
    let piped = try command("view", file)
    #expect(piped.code == 0 && rows(piped.lines).count >= 58)
    #expect(piped.error.contains("no view: "))
    let small = try Session(command, ["view", file], columns: 15, rows: 4)
    #expect(small.finish() == 0 && small.messages.contains("a view needs 20 × 6"))
  }

  @Test func whatAViewCannotShowIsRefused() throws {
    let command = try Command()
    let file = try recorded(command)
    for (arguments, words) in [
      (["--view", "--format", "csv"], "remove --format, --raw and --output"),
      (["view", file, "--disk"], "--disk: this run has no such metrics; it has cpu, load, memory"),
      (["view", file, "--only", "net.*"], "no metric of this run matches"),
      (["view", file, "--repetition", "3"], "has 0 repetitions"),
      (["view", file, "--from", "5s", "--to", "1s"], "--from is later than --to"),
      (["report", file, "--format", "svg"], "--metric names"),
      (["report", file, "--format", "png"], "png"),
      (["report", file, "--metric", "cpu.*", "-o", "x"], "add --format svg"),
      (["report", file, "--format", "svg", "--metric", "cpu.*[*]"], "at most 8 lines"),
    ] {
      let running = try command.start(arguments)
      let outcome = try running.finish()
      #expect(outcome.code == 2 && outcome.error.contains(words), "\(arguments): \(outcome.error)")
    }
  }

  @Test func aPictureIsWrittenOfAPart() throws {
    let command = try Command()
    let file = try recorded(command)
    let outcome = try command(
      "report", file, "--format", "svg", "--metric", "cpu.user[all]", "--metric", "memory.MemFree",
      "--from", "100ms", "--to", "300ms", "-o", "p.svg")
    #expect(outcome.code == 0, "\(outcome.error)")
    let picture = try String(contentsOfFile: command.folder.file("p.svg"), encoding: .utf8)
    #expect(picture.hasPrefix("<?xml") && picture.hasSuffix("</svg>\n"))
    #expect(
      picture.contains("--from 100ms --to 300ms") && picture.contains(">cpu.user[all]</text>"))
    #expect(
      try command("report", file, "--format", "svg", "--metric", "cpu.user[all]").output
        == command("report", file, "--format", "svg", "--metric", "cpu.user[all]").output)
  }
}
