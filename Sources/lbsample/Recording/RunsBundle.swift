import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunStore
import Runner
import SampleModel

/// `lbsample runs bundle RUN`: what a colleague needs to see what happened, without the samples.
struct RunsBundle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle",
    abstract: "Pack a run's journal, result, configuration, this host's report and outputs.",
    discussion: """
      The samples stay out: for them hand over the run's file itself. Look at
      what is packed before you send it: the configuration has the command
      line, the outputs are the workload's own.
      """)
  /// The end of each output that is packed, and how many of the last ones.
  private static let tail = 64 << 10
  private static let outputs = 20

  @OptionGroup var options: RunOptions
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp("The archive (default: RUN.tar.gz here).", valueName: "file"))
  var output: String?
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var runName = "last"

  func run() throws {
    let reader = try options.open(runName)
    defer { reader.close() }
    let result = try reader.summarised()
    // The writer of the file chose its id: it becomes a name here, and must not be more than that.
    let name = Self.component(result.runID)
    let target = output ?? "\(name).tar.gz"
    let archive = try Self.create(target)
    var isPacked = false
    defer { if !isPacked { _ = unsafe unlink(target.osCString) } }
    let staging = FileManager.default.temporaryDirectory
      .appendingPathComponent("lbsample-\(UUID().uuidString)")
    defer {
      do { try FileManager.default.removeItem(at: staging) } catch {
        Console.say("lbsample: \(staging.path) could not be removed: \(error.localizedDescription)")
      }
    }
    let folder = staging.appendingPathComponent(name)
    do {
      // No other user may read the outputs of root's workloads in the meantime.
      try FileManager.default.createDirectory(
        at: staging, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent("outputs"), withIntermediateDirectories: true)
      for (name, bytes) in try contents(reader, result) {
        try Data(bytes).write(to: folder.appendingPathComponent(name))
      }
    } catch let error as LBError {
      throw error
    } catch {
      throw LBError(.resultPersistence, "\(folder.path): \(error.localizedDescription)")
    }
    try pack(staging, name, to: archive, target)
    isPacked = true
    if !options.log.quiet { Console.say("packed \(target)") }
    try options.checkWhole(reader)
  }

  private func contents(
    _ reader: RunReader, _ result: RunResult
  ) throws -> [(name: String, bytes: [UInt8])] {
    let findings = HostExamination(roots: MountRoots()).findings()
    let configuration = result.configuration.map {
      "\($0.key) = \($0.value)  # \($0.origin)".shownInLine + "\n"
    }
    var files: [(String, String)] = [
      ("result.json", try ResultText.encode(ShownRun(result), "json")),
      ("summary.txt", RunReport.text(result, all: true).shown),
      ("journal.txt", RunsShow.text(try reader.journal(run: result.runID)).shown),
      ("configuration.txt", configuration.joined()),
      ("doctor.txt", DoctorCommand.text(findings).shown),
    ]
    files.append(
      (
        "README.txt",
        "\(result.runID.shownInLine), packed by lbsample \(Lbsample.configuration.version). "
          + "doctor.txt is of the host that packed it, result.json has the one that ran it. "
          + "outputs/ has the end of the last \(Self.outputs) outputs.\n"
      ))
    var packed = files.map { ($0, Array($1.utf8)) }
    for (bracket, label) in result.attemptsByBracket().suffix(Self.outputs) {
      let kind = label.warmUp ? "warmup" : "rep"
      let phase = label.phase.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" }
      packed.append(
        (
          "outputs/\(String(phase))-\(kind)\(label.repetition)-attempt\(label.attempt).txt",
          Array(try reader.output(bracket: bracket).suffix(Self.tail))
        ))
    }
    return packed
  }

  /// A text as the name of a file: letters, digits, `.`, `_` and `-`, and no point or minus first.
  static func component(_ text: String) -> String {
    let clean = String(
      decoding: text.utf8.prefix(200).map { byte in
        (byte | 0x20) &- 97 < 26 || byte &- 48 < 10 || [45, 46, 95].contains(byte) ? byte : 95
      }, as: UTF8.self)
    let name = clean.drop { $0 == "." || $0 == "-" }
    return name.isEmpty ? "run" : String(name)
  }

  /// A new file, no link to another one.
  private static func create(_ path: String) throws(LBError) -> OwnedDescriptor {
    do throws(SystemError) {
      return try OwnedDescriptor(
        open: path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    } catch {
      let isThere = error.errno == EEXIST
      throw LBError(
        isThere ? .configuration : .resultPersistence,
        isThere
          ? "\(path) exists: name another file with --output"
          : "\(path): cannot be created: \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
  }

  private func pack(
    _ folder: URL, _ name: String, to archive: borrowing OwnedDescriptor, _ target: String
  ) throws(LBError) {
    let tar = Process()
    tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // To its standard output: of a name it may make a host.
    tar.arguments = ["tar", "-C", folder.path, "-czf", "-", "--", name]
    tar.standardOutput = FileHandle(fileDescriptor: archive.number)
    do { try tar.run() } catch {
      throw LBError(.configuration, "tar cannot be started: \(error.localizedDescription)")
    }
    tar.waitUntilExit()
    guard tar.terminationStatus == 0 else {
      throw LBError(
        .resultPersistence, "tar could not write \(target): exit code \(tar.terminationStatus)",
        context: ErrorContext(path: target))
    }
  }
}
