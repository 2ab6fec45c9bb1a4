import ArgumentParser
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
  /// The user's labels.
  var labels: [String: String]
  var file: String

  init(_ run: RunOverview, _ file: String) {
    self.run = run.runID
    kind = run.kind
    status = run.status.rawValue
    startUnixNanoseconds = run.startUnixNanoseconds
    durationNanoseconds = run.durationNanoseconds
    repetitionsCompleted = run.completed
    command = run.command
    commands = run.commands
    labels = run.labels
    self.file = file
  }
}

/// `lbsample runs list`.
struct RunsList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List stored runs, newest first.")
  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text or json.", valueName: "format"))
  var format = "text"

  func run() throws {
    try Formats.check(format, of: ["text", "json"])
    let directory = try options.directory()
    var lines: [RunLine] = []
    let files = try directory.files()
    let index = RunIndex(of: directory)
    for file in files {
      do throws(LBError) {
        lines.append(RunLine(try index.overview(file, by: read), file))
      } catch {
        Console.say("lbsample: \(error)")
      }
    }
    index.save(of: files)
    if format == "json" {
      try Console.write(try JSONText.encode(lines, pretty: true) + "\n")
      return
    }
    guard !lines.isEmpty else {
      // Files that cannot be read have been reported.
      guard files.isEmpty else { return }
      Console.say("lbsample: no runs in \(directory.path): lbsample run -- COMMAND makes one")
      return
    }
    var rows = [["run", "kind", "status", "done", "duration", "command"]]
    for line in lines {
      rows.append([
        line.run, line.kind, line.status, "\(line.repetitionsCompleted)",
        line.durationNanoseconds.map(Readable.duration) ?? "-",
        line.command.joined(separator: " ").shownInLine
          + (line.commands > 1 ? " (and \(line.commands - 1) more)" : ""),
      ])
    }
    // The command is left-aligned by padding, since the last column is right-aligned.
    let width = rows.map { $0[5].count }.max() ?? 0
    for index in rows.indices {
      rows[index][5] += String(repeating: " ", count: width - rows[index][5].count)
    }
    var text = TextTable.lines(rows, leftColumns: 3)
    for (row, line) in lines.enumerated() where !line.labels.isEmpty {
      let labels = line.labels.sorted { $0.key < $1.key }
        .map { "\($0.key)=\($0.value)".shownInLine }
      text[row + 1] += "  (" + labels.joined(separator: ", ") + ")"
    }
    try Console.show(text.joined(separator: "\n") + "\n")
  }

  /// Reads a file that is not in the index.
  private func read(_ file: String) throws(LBError) -> RunIndex.Reading {
    let reader = try RunReader(path: file)
    defer { reader.close() }
    _ = try reader.finishIfAbandoned()
    if let damage = reader.damage { Console.say("lbsample: \(damage)") }
    return try reader.reading()
  }
}
