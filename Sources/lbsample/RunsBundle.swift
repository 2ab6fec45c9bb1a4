import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunStore
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
    let result = try reader.result()
    let target = output ?? "\(result.runID).tar.gz"
    guard !FileManager.default.fileExists(atPath: target) else {
      throw LBError(
        .configuration, "\(target) exists: name another file with --output",
        context: ErrorContext(path: target))
    }
    let staging = FileManager.default.temporaryDirectory
      .appendingPathComponent("lbsample-\(UUID().uuidString)")
    defer {
      do { try FileManager.default.removeItem(at: staging) } catch {
        Console.say("lbsample: \(staging.path) is left behind: \(error.localizedDescription)")
      }
    }
    let folder = staging.appendingPathComponent(result.runID)
    do {
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
    try pack(staging, result.runID, to: target)
    if !options.log.quiet { Console.say("packed \(target)") }
  }

  private func contents(
    _ reader: RunReader, _ result: RunResult
  ) throws -> [(name: String, bytes: [UInt8])] {
    let findings = HostExamination(roots: MountRoots()).findings()
    let configuration = result.configuration.map {
      "\($0.key) = \($0.value)  # \($0.origin)\n"
    }
    var files: [(String, String)] = [
      ("result.json", try ResultText.encode(result, "json")),
      ("summary.txt", RunReport.text(result, all: true)),
      ("journal.txt", RunsShow.text(try reader.journal(run: result.runID))),
      ("configuration.txt", configuration.joined()),
      ("doctor.txt", DoctorCommand.text(findings)),
    ]
    files.append(
      (
        "README.txt",
        "\(result.runID), packed by lbsample \(Lbsample.configuration.version). doctor.txt is of "
          + "the host that packed it, result.json has the one that ran it. outputs/ has the end of "
          + "the last \(Self.outputs) outputs.\n"
      ))
    var packed = files.map { ($0, Array($1.utf8)) }
    for (bracket, label) in RunLabels.brackets(result).suffix(Self.outputs) {
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

  private func pack(_ folder: URL, _ name: String, to target: String) throws(LBError) {
    let tar = Process()
    tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    tar.arguments = ["tar", "-C", folder.path, "-czf", target, name]
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
