import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunStore
import SampleModel

/// `lbsample runs prune`: removes old runs by number, age and size.
struct RunsPrune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove old runs by number, age and size.",
    discussion: """
      --keep N always keeps the newest N runs of each name. Of the rest, runs
      older than --older are removed, then the oldest until at most --max-bytes
      remain; with --keep alone, all the rest. Runs that are pending, running
      or waiting are kept, and so are runs that measured phases of a run that
      is kept (--reuse), and other users' runs unless --force is given.

      EXAMPLES
        lbsample runs prune --keep 20 --older 90d --dry-run
        lbsample runs prune --max-bytes 10G --yes
      """)
  /// Runs that are named in a question.
  private static let shown = 20

  @OptionGroup var options: RunOptions
  @OptionGroup(title: "Host") var mounts: MountOptions
  @Option(
    name: .customLong("keep"), parsing: .unconditional,
    help: ArgumentHelp("Keep the newest N runs of each name.", valueName: "n"))
  var keep: String?
  @Option(
    name: .customLong("older"), parsing: .unconditional,
    help: ArgumentHelp(
      "Remove runs that began longer ago than this, such as 90d, 12h or 2w.", valueName: "age"))
  var older: String?
  @Option(
    name: .customLong("max-bytes"), parsing: .unconditional,
    help: ArgumentHelp(
      "Remove the oldest runs until at most this much is left, such as 10G or 500M (powers of "
        + "1024).",
      valueName: "size"))
  var maxBytes: String?
  @Flag(name: .customLong("dry-run"), help: "List what would be removed, and remove nothing.")
  var dryRun = false
  @Flag(name: .customLong("yes"), help: "Remove without asking.")
  var yes = false
  @OptionGroup var removal: RemovalOptions

  /// A run that is to go, and the file that it was when that was decided.
  private struct Chosen {
    let run: RunRetention.Candidate
    let file: SeenFile
  }

  func run() throws {
    let retention = try retention()
    let directory = try options.directory()
    var removal = RunRemoval(directory, mounts.roots, removal, isQuiet: options.log.quiet)
    let (chosen, hindrance) = hindered(try choose(retention, directory), removal)
    let sum = Self.sum(chosen)
    if chosen.isEmpty {
      if hindrance == nil, !options.log.quiet {
        Console.say("lbsample: nothing to remove in \(directory.path): the limits keep every run")
      }
    } else if dryRun {
      try Console.show(Self.table(chosen))
      if !options.log.quiet { Console.say("would remove \(sum)") }
    } else if try yes || isAgreed(chosen, sum) {
      try remove(chosen, &removal)
    } else {
      Console.say("lbsample: nothing was removed")
    }
    if let hindrance { throw hindrance }
  }

  /// Those that can go, for what they left running; names the others, the last of which is given.
  private func hindered(
    _ chosen: [Chosen], _ removal: RunRemoval
  ) -> (chosen: [Chosen], hindrance: LBError?) {
    var last: LBError?
    let free = chosen.filter { one in
      guard let hindrance = removal.hindrance(of: one.run.file) else { return true }
      if let last { Console.say("lbsample: \(last)") }
      last = hindrance
      return false
    }
    return (free, last)
  }

  private func retention() throws(LBError) -> RunRetention {
    var retention = RunRetention()
    retention.keep = try keep.map { text throws(LBError) in
      try RunCatalogue.count(text, option: "--keep")
    }
    if let older {
      guard let age = WrittenTimes.age(older) else {
        throw LBError(
          .configuration, "--older \(older): expected an age such as 90d, 12h or 2w")
      }
      let now = TimeSource.system.realtime()
      retention.before = age < now ? now - age : 0
    }
    if let maxBytes {
      guard let bytes = WrittenTimes.bytes(maxBytes) else {
        throw LBError(
          .configuration,
          "--max-bytes \(maxBytes): expected a number of bytes such as 10G, 500M or 1.5T, in "
            + "powers of 1024")
      }
      retention.bytes = bytes
    }
    guard retention != RunRetention() else {
      throw LBError(
        .configuration,
        "runs prune needs at least one limit: give --keep N, --older AGE or --max-bytes SIZE")
    }
    return retention
  }

  private func choose(
    _ retention: RunRetention, _ directory: RunDirectory
  ) throws(LBError) -> [Chosen] {
    var seen: [ExactText: SeenFile] = [:]
    var candidates: [RunRetention.Candidate] = []
    var others: UInt64 = 0
    var sources: [ExactText: Set<ExactText>] = [:]
    for entry in try RunCatalogue(directory).entries {
      if !entry.run.sources.isEmpty {
        sources[ExactText(entry.file)] = Set(
          entry.run.sources.map { ExactText(directory.file(ofRun: $0)) })
      }
      guard let file = SeenFile(entry.file),
        removal.force || Trust.otherOwner(of: entry.file) == nil
      else { continue }
      let bytes =
        RunDirectory.bytes(ofRun: entry.file)
        &+ Directories.bytes(RunDirectory.files(ofRun: entry.file), limit: .max)
      guard entry.run.isOver else {
        others &+= bytes
        continue
      }
      seen[ExactText(entry.file)] = file
      candidates.append(
        RunRetention.Candidate(
          file: entry.file, name: entry.run.name,
          startUnixNanoseconds: entry.run.startUnixNanoseconds, bytes: bytes))
    }
    let (removed, kept) = retention.removed(candidates, others: others, sources: sources)
    if !kept.isEmpty, !options.log.quiet {
      let names = kept.map { RunDirectory.id(ofFile: $0.file) }
      Console.say(
        "lbsample: kept as sources of --reuse: \(Counted.list(names)) (runs that stay have phases "
          + "that were measured there)")
    }
    return removed.compactMap { run in
      seen[ExactText(run.file)].map { Chosen(run: run, file: $0) }
    }
  }

  // MARK: Words

  private static func sum(_ chosen: [Chosen]) -> String {
    sum(chosen.count, chosen.reduce(0) { $0 &+ $1.run.bytes })
  }

  private static func sum(_ count: Int, _ bytes: UInt64) -> String {
    "\(Counted.text(count, "run")) (\(DigestText.bytes(Double(bytes))) in total)"
  }

  private static func table(_ chosen: [Chosen]) -> String {
    var rows = [["run", "started (UTC)", "size"]]
    for one in chosen {
      let time = CivilTime(unixSeconds: Int64(one.run.startUnixNanoseconds / 1_000_000_000))
      rows.append([
        RunDirectory.id(ofFile: one.run.file), time.text, DigestText.bytes(Double(one.run.bytes)),
      ])
    }
    return TextTable.lines(rows, leftColumns: 2).map { $0 + "\n" }.joined()
  }

  /// Asks on the terminal. Without one nobody can answer.
  private func isAgreed(_ chosen: [Chosen], _ sum: String) throws(LBError) -> Bool {
    guard isatty(STDIN_FILENO) == 1, Console.errorIsTerminal else {
      throw LBError(
        .configuration,
        "runs prune would remove \(sum), and there is no terminal to ask on: --yes removes them, "
          + "--dry-run lists them")
    }
    for line in Self.table(Array(chosen.prefix(Self.shown))).lines where !line.isEmpty {
      Console.say(String(line))
    }
    if chosen.count > Self.shown {
      Console.say("… and \(chosen.count - Self.shown) more: --dry-run lists all")
    }
    Console.say("Remove \(sum)? [yes/no]")
    let answer = readLine()?.lowercased() ?? ""
    return ["y", "yes"].contains(answer)
  }

  // MARK: Removal

  /// Removes what can be removed, says how much that was, and throws the first failure.
  private func remove(_ chosen: [Chosen], _ removal: inout RunRemoval) throws(LBError) {
    var (count, bytes): (Int, UInt64) = (0, 0)
    var failure: LBError?
    for one in chosen {
      do throws(LBError) {
        guard one.file.isThere else {
          throw LBError(
            .configuration,
            "\(one.run.file) has been replaced since the runs were listed: it was not removed",
            context: ErrorContext(path: one.run.file))
        }
        try removal.remove(one.run.file)
        count += 1
        bytes &+= one.run.bytes
      } catch {
        // The last one is reported as the command's own error.
        if let failure { Console.say("lbsample: \(failure)") }
        failure = error
      }
    }
    RunIndex.remove(removal.touched)
    if !options.log.quiet {
      let others = Counted.text(chosen.count - count, "run")
      Console.say(
        count > 0
          ? "removed \(Self.sum(count, bytes))"
          : "removed no run; \(others) could not be removed")
    }
    if let failure { throw failure }
  }
}
