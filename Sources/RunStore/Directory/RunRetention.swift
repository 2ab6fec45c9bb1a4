import Foundation
package import SampleModel

/// Which runs of a directory may go, by their number, age and size.
///
/// A run is kept while any limit that is set keeps it: of each name the newest `keep` stay
/// whatever their age and size. Of the others those go that are older than `before`, and then the
/// oldest until no more than `bytes` are left. With `keep` alone, all others go. A run that
/// measured phases of one that stays (`--reuse`) stays with it: it has their samples.
package struct RunRetention: Sendable, Equatable {
  /// A run that is over.
  package struct Candidate: Sendable, Equatable {
    /// The result file.
    package let file: String
    /// The name of the run.
    package let name: String
    /// Unix time of its start, in nanoseconds.
    package let startUnixNanoseconds: UInt64
    /// Bytes of its file and of what belongs to it.
    package let bytes: UInt64

    /// A run.
    package init(file: String, name: String, startUnixNanoseconds: UInt64, bytes: UInt64) {
      self.file = file
      self.name = name
      self.startUnixNanoseconds = startUnixNanoseconds
      self.bytes = bytes
    }
  }

  /// So many of each name stay; nil without that limit.
  package var keep: Int?
  /// Unix nanoseconds: runs that began before that go; nil without that limit.
  package var before: UInt64?
  /// So many bytes may stay; nil without that limit.
  package var bytes: UInt64?

  /// Limits, none of which need be set: then everything stays.
  package init(keep: Int? = nil, before: UInt64? = nil, bytes: UInt64? = nil) {
    self.keep = keep
    self.before = before
    self.bytes = bytes
  }

  /// The candidates that go, oldest first, and whether others stay only since runs that stay have
  /// phases of theirs. `others` are the bytes of runs that are not over: they count, and stay. Of
  /// each file `sources` has those of the runs that measured phases of it.
  package func removed(
    _ candidates: [Candidate], others: UInt64 = 0, sources: [ExactText: Set<ExactText>]
  ) -> (removed: [Candidate], sources: [Candidate]) {
    var kept: Set<ExactText> = []
    while true {
      let removed = removed(candidates, others: others, but: kept)
      let gone = Set(removed.map { ExactText($0.file) })
      var needed: Set<ExactText> = []
      for (file, own) in sources where !gone.contains(file) { needed.formUnion(own) }
      needed.formIntersection(gone)
      guard !needed.isEmpty else {
        return (removed, candidates.filter { kept.contains(ExactText($0.file)) })
      }
      kept.formUnion(needed)
    }
  }

  /// The candidates that go, oldest first, without those that stay in any case, which count as any
  /// other.
  package func removed(
    _ candidates: [Candidate], others: UInt64 = 0, but kept: Set<ExactText> = []
  ) -> [Candidate] {
    let newestFirst = candidates.sorted {
      ($0.startUnixNanoseconds, $0.file) > ($1.startUnixNanoseconds, $1.file)
    }
    var seen: [ExactText: Int] = [:]
    var open: [Candidate] = []
    for candidate in newestFirst {
      seen[ExactText(candidate.name), default: 0] += 1
      if let keep, seen[ExactText(candidate.name)] ?? 0 <= keep { continue }
      if kept.contains(ExactText(candidate.file)) { continue }
      open.append(candidate)
    }
    open.reverse()
    if before == nil, bytes == nil { return keep == nil ? [] : open }
    var left = candidates.reduce(others) { $0 &+ $1.bytes }
    var removed: [Candidate] = []
    for candidate in open {
      let isOld = before.map { candidate.startUnixNanoseconds < $0 } ?? false
      let isTooMuch = bytes.map { left > $0 } ?? false
      guard isOld || isTooMuch else { continue }
      left -= min(left, candidate.bytes)
      removed.append(candidate)
    }
    return removed
  }
}

extension RunDirectory {
  /// Bytes of a run's file, its log and its tail, by their lengths; 0 where there is none.
  package static func bytes(ofRun file: String) -> UInt64 {
    ["", "-wal", "-tail"].reduce(0) { sum, suffix in
      var facts = stat()
      guard unsafe lstat(file + suffix, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
        return sum
      }
      return sum + UInt64(max(0, facts.st_size))
    }
  }

  /// The folder with the working directories of attempts of a run that were kept.
  package static func files(ofRun file: String) -> String {
    let end = ".\(fileExtension)"
    return (file.hasSuffix(end) ? String(file.dropLast(end.count)) : file) + ".files"
  }
}

/// The file that a path named when it was read.
package struct SeenFile: Sendable {
  /// The path.
  package let path: String
  private let mark: FileMark

  /// The file at `path`, a link there not followed; nil where there is none.
  package init?(_ path: String) {
    guard let mark = FileMark(path) else { return nil }
    self.path = path
    self.mark = mark
  }

  /// Whether the path still names that file.
  package var isThere: Bool { mark.isAt(path) }
}
