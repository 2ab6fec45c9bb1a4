import Output
import RunStore
import SampleModel

/// The runs of a directory, as its index or their files tell.
struct RunCatalogue {
  /// A stored run.
  struct Entry {
    let file: String
    let run: RunOverview
  }

  /// Result files, newest first, whether they can be read or not.
  let files: [String]
  /// Those that can be read, in that order. What cannot be read is named on standard
  /// error.
  let entries: [Entry]
  /// Whether some of the files cannot be read.
  let hasUnreadable: Bool

  /// Reads what is not in the index of `directory`, and writes that. Removes what killed processes
  /// left of files that they were making.
  init(_ directory: RunDirectory) throws(LBError) {
    directory.removeAbandonedDrafts()
    files = try directory.files()
    let index = RunIndex(of: directory)
    var entries: [Entry] = []
    for file in files {
      do throws(LBError) {
        entries.append(Entry(file: file, run: try index.overview(file, by: Self.read)))
      } catch {
        Console.say("lbsample: \(error)")
      }
    }
    index.save(of: files)
    self.entries = entries
    hasUnreadable = entries.count < files.count
  }

  /// Of what is not in the index.
  private static func read(_ file: String) throws(LBError) -> RunIndex.Reading {
    let reader = try RunReader(path: file)
    defer { reader.close() }
    _ = try reader.finishIfAbandoned()
    if let damage = reader.damage { Console.say("lbsample: \(damage)") }
    return try reader.reading()
  }

  /// The Unix nanoseconds that the TIME of `option` means.
  static func moment(_ text: String, option: String, now: UInt64) throws(LBError) -> UInt64 {
    guard let moment = WrittenTimes.moment(text, now: now) else {
      throw LBError(
        .configuration,
        "\(option) \(text): expected a UTC date such as 2026-01-31 or 2026-01-31T12:30, or an age "
          + "such as 90d, 12h or 2w")
    }
    return moment
  }

  /// A number of things that must be at least 1.
  static func count(_ text: String, option: String) throws(LBError) -> Int {
    guard let count = Int(text), count > 0 else {
      throw LBError(.configuration, "\(option) \(text): expected a whole number from 1 on")
    }
    return count
  }
}

/// Which runs, by what an index has of them.
struct RunFilter {
  /// A pattern of names.
  var name: String?
  /// `key` or `key=value`: each must hold.
  var labels: [String] = []
  var status: RunStatus?
  /// Unix nanoseconds.
  var since: UInt64?
  /// A pattern of hosts' names.
  var host: String?

  func passes(_ run: RunOverview) -> Bool {
    if let name, !Glob.matches(name, run.name) { return false }
    if let status, run.status != status { return false }
    if let since, run.startUnixNanoseconds < since { return false }
    if let host, !(run.host.map { Glob.matches(host, $0) } ?? false) { return false }
    return labels.allSatisfy { Self.has(run, $0) }
  }

  /// Whether a run has a label, written `key` or `key=value`.
  static func has(_ run: RunOverview, _ label: String) -> Bool {
    if run.labels[label] != nil { return true }
    guard let (key, value) = label.halves("=") else { return false }
    return run.labels[key] == value
  }
}
