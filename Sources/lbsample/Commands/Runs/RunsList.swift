import ArgumentParser
import LinuxSystem
import Output
import RunStore
import SampleModel

/// One line of `runs list`.
private struct RunLine: Encodable {
  var run: String
  var kind: String
  var status: String
  var startUnixNanoseconds: UInt64
  var durationNanoseconds: UInt64?
  var repetitionsCompleted: Int
  /// Of the first phase that has one.
  var command: [String]
  /// Phases with a command.
  var commands: Int
  /// The host's name.
  var host: String?
  /// The user's labels.
  var labels: [String: String]
  /// Bytes of the file, its log and its tail.
  var bytes: UInt64
  var file: String

  init(_ entry: RunCatalogue.Entry) {
    let run = entry.run
    self.run = run.runID
    kind = run.kind
    status = run.status.rawValue
    startUnixNanoseconds = run.startUnixNanoseconds
    durationNanoseconds = run.durationNanoseconds
    repetitionsCompleted = run.completed
    command = run.command
    commands = run.commands
    host = run.host
    labels = run.labels
    bytes = RunDirectory.bytes(ofRun: entry.file)
    file = entry.file
  }
}

/// `lbsample runs list`.
struct RunsList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List stored runs, newest first.",
    discussion: """
      A run is listed if it passes all filters; --limit applies last.

      TIME is a UTC date (2026-01-31, 2026-01-31T12:30) or an age (90d, 12h, 2w).
      """)
  /// What `--sort` takes, each the greatest or the newest first, names from A on.
  private static let orders = ["date", "duration", "name", "size", "repetitions"]

  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text or json.", valueName: "format"))
  var format = "text"
  @Option(
    name: .customLong("name"),
    help: ArgumentHelp("Only runs whose name matches.", valueName: "glob"))
  var name: String?
  @Option(
    name: .customLong("label"),
    help: ArgumentHelp(
      "Only runs with this label, as key or key=value; may be repeated.", valueName: "label"))
  var labels: [String] = []
  @Option(
    name: .customLong("status"),
    help: ArgumentHelp(
      "Only runs of this status: completed, failed, timeout, interrupted, running, waiting or "
        + "pending.", valueName: "status"))
  var status: String?
  @Option(
    name: .customLong("since"),
    help: ArgumentHelp("Only runs that began at this time or later.", valueName: "time"))
  var since: String?
  @Option(
    name: .customLong("host"),
    help: ArgumentHelp("Only runs of hosts whose name matches.", valueName: "glob"))
  var host: String?
  @Option(
    name: .customLong("sort"),
    help: ArgumentHelp(
      "Order: date (newest first), duration, size, repetitions (largest first) or name.",
      valueName: "order"))
  var order = "date"
  @Flag(name: .customLong("reverse"), help: "Reverse the order.")
  var reverse = false
  @Option(
    name: .customLong("limit"), parsing: .unconditional,
    help: ArgumentHelp("Only the first N runs of that order.", valueName: "n"))
  var limit: String?

  func run() throws {
    try Formats.check(format, of: ["text", "json"])
    try Formats.check(order, of: Self.orders, option: "--sort")
    let filter = try filter()
    let limit = try limit.map { text throws(LBError) in
      try RunCatalogue.count(text, option: "--limit")
    }
    let directory = try options.directory()
    let catalogue = try RunCatalogue(directory)
    var lines = sorted(catalogue.entries.filter { filter.passes($0.run) })
    if let limit { lines = Array(lines.prefix(limit)) }
    if format == "json" {
      try Console.write(try JSONText.encode(lines, pretty: true) + "\n")
      return
    }
    guard !lines.isEmpty else {
      // Those that cannot be read have been named.
      if catalogue.files.isEmpty {
        Console.say("lbsample: no runs in \(directory.path): lbsample run -- COMMAND makes one")
      } else if !catalogue.entries.isEmpty {
        Console.say(
          "lbsample: none of the \(Counted.text(catalogue.entries.count, "run")) in "
            + "\(directory.path) matches these options")
      }
      return
    }
    try show(lines)
  }

  private func filter() throws(LBError) -> RunFilter {
    var filter = RunFilter(name: name, labels: labels, host: host)
    if let status {
      try Formats.check(status, of: RunStatus.listed.map(\.rawValue), option: "--status")
      filter.status = RunStatus(rawValue: status)
    }
    if let since {
      filter.since = try RunCatalogue.moment(
        since, option: "--since", now: TimeSource.system.realtime())
    }
    return filter
  }

  /// In the order that was asked for; those that are equal in it newest first.
  private func sorted(_ entries: [RunCatalogue.Entry]) -> [RunLine] {
    var lines = entries.map(RunLine.init)
    func sort<Key: Comparable>(_ key: (RunLine) -> Key, isDescending: Bool) {
      let keyed = lines.enumerated().map { (key: key($1), index: $0, line: $1) }
      lines = keyed.sorted {
        if $0.key == $1.key { return $0.index < $1.index }
        return isDescending ? $0.key > $1.key : $0.key < $1.key
      }.map(\.line)
    }
    switch order {
    case "duration": sort({ $0.durationNanoseconds ?? 0 }, isDescending: true)
    case "size": sort(\.bytes, isDescending: true)
    case "repetitions": sort(\.repetitionsCompleted, isDescending: true)
    case "name": sort({ RunDirectory.name(ofRun: $0.run) }, isDescending: false)
    default: break
    }
    return reverse ? lines.reversed() : lines
  }

  private func show(_ lines: [RunLine]) throws(LBError) {
    let hasSize = order == "size"
    var rows = [["run", "kind", "status", "done", "duration"] + (hasSize ? ["size"] : [])]
    rows[0].append("command")
    for line in lines {
      var row = [
        line.run, line.kind, line.status, "\(line.repetitionsCompleted)",
        line.durationNanoseconds.map(Readable.duration) ?? "-",
      ]
      if hasSize { row.append(Readable.bytes(Double(line.bytes))) }
      row.append(
        line.command.joined(separator: " ").shownInLine
          + (line.commands > 1 ? " (and \(line.commands - 1) more)" : ""))
      rows.append(row)
    }
    // The command is left-aligned by hand: it is the last column.
    let last = rows[0].count - 1
    let width = rows.map { $0[last].count }.max() ?? 0
    for index in rows.indices {
      rows[index][last] += String(repeating: " ", count: width - rows[index][last].count)
    }
    var text = TextTable.lines(rows, leftColumns: 3)
    for (index, line) in lines.enumerated() where !line.labels.isEmpty {
      let labels = line.labels.sorted { $0.key < $1.key }
        .map { "\($0.key)=\($0.value)".shownInLine }
      text[index + 1] += "  (" + labels.joined(separator: ", ") + ")"
    }
    try Console.show(text.joined(separator: "\n") + "\n")
  }
}

extension RunStatus {
  /// What a run in a list may be.
  static let listed: [RunStatus] = [
    .completed, .failed, .timeout, .interrupted, .running, .waiting, .pending,
  ]
}
