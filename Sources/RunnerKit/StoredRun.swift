import RunStore
import Runner
public import SampleModel
public import SamplerKit

/// A run that was stored before, by the command or by a program.
///
/// ```swift
/// let run = try StoredRun(at: "suite.lbsample")
/// for row in run.result.summary() { print(row.metric, row.median, row.unit) }
/// try run.forEachFrame { print($0.start, $0.values["cpu.user[all]"] ?? 0) }
/// ```
/// Its samples stay in the file until they are asked for; what is read of it is held against its
/// checksums then.
public final class StoredRun {
  /// Everything but the samples.
  public let result: RunResult
  /// What of the last samples of a killed run, or of its log, cannot be read, and where it is kept,
  /// in words; nil where all of it can.
  public let damage: String?
  private let reader: RunReader
  /// Of a run that is over, which is read once for all its attempts.
  private let whole: RunReplay?

  /// Opens a result file, also one that is being recorded or that a killed run left. Throws
  /// `configuration` where it is none, `resultPersistence` where it is damaged: no number is given
  /// that does not fit the file's checksums.
  public init(at path: String) throws(LBError) {
    reader = try RunReader(path: path)
    result = try reader.summarised()
    damage = try reader.damageOfTail()
    let isOpen = [.pending, .running, .waiting].contains(result.status)
    whole = isOpen ? nil : RunReplay(reader)
  }

  deinit { reader.close() }

  /// Calls `body` with each frame in order of time, as it was sampled: of one attempt, or of all.
  /// Throws `resultPersistence` at a chunk that is damaged; what came before it was given.
  public func forEachFrame(
    of attempt: AttemptResult? = nil, _ body: (FrameSnapshot) -> Void
  ) throws(LBError) {
    var selection = RunReplay.Selection()
    if let attempt { selection.brackets = Set([attempt.bracket].compactMap { $0 }) }
    try withoutActuallyEscaping(body) { body throws(LBError) in
      let replay = (whole ?? RunReplay(reader)).selecting(selection)
      _ = try replay.play(into: SnapshotSink(body))
    }
  }

  /// What the workload of an attempt wrote, as far as it was kept.
  public func output(of attempt: AttemptResult) throws(LBError) -> [UInt8] {
    guard let bracket = attempt.bracket else { return [] }
    return try reader.output(bracket: bracket)
  }
}
