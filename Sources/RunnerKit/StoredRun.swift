import RunStore
import Runner
public import SampleModel
public import SamplerKit

/// A run that was stored before, by the command or by a program.
///
/// ```swift
/// let run = try StoredRun(at: "suite.lbsample")
/// for row in run.result.summary() { print(row.key, row.median, row.unit) }
/// for frame in try run.frames(of: run.result.phases[0].repetitions[0].attempts[0]) {
///   print(frame.start.nanoseconds, frame[.cpu.user.all] ?? 0)
/// }
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
  public init(at path: String) throws(LBSampleError) {
    reader = try RunReader(path: path)
    result = try reader.summarised()
    damage = try reader.damageOfTail()
    let isOpen = [.pending, .running, .waiting].contains(result.status)
    whole = isOpen ? nil : RunReplay(reader)
  }

  deinit { reader.close() }

  /// The frames of one attempt in order of time, as they were sampled; all of the run's without
  /// one. They are in memory at once: `forEachFrame` gives one at a time. Throws
  /// `resultPersistence` at a chunk that is damaged.
  public func frames(of attempt: AttemptResult? = nil) throws(LBSampleError) -> [FrameSnapshot] {
    var frames: [FrameSnapshot] = []
    try play(attempt) { frames.append($0) }
    return frames
  }

  /// Calls `body` with each frame in order of time: of one attempt, or of all. What `body` throws
  /// ends it and is thrown again. Throws an `LBSampleError` of the category `resultPersistence` at
  /// a chunk that is damaged; what came before it was given.
  public func forEachFrame(
    of attempt: AttemptResult? = nil, _ body: (FrameSnapshot) throws -> Void
  ) throws {
    var thrown: (any Error)?
    do throws(LBError) {
      try play(attempt) { frame throws(LBError) in
        do { try body(frame) } catch {
          thrown = error
          throw LBError(.internal, "the reader of frames has ended")
        }
      }
    } catch {
      throw thrown ?? error
    }
  }

  private func play(
    _ attempt: AttemptResult?, _ body: (FrameSnapshot) throws(LBError) -> Void
  ) throws(LBError) {
    var selection = RunReplay.Selection()
    if let attempt { selection.brackets = Set([attempt.bracket].compactMap { $0 }) }
    try withoutActuallyEscaping(body) { body throws(LBError) in
      let replay = (whole ?? RunReplay(reader)).selecting(selection)
      _ = try replay.play(into: SnapshotSink(body))
    }
  }

  /// What the workload of an attempt wrote, as far as it was kept.
  public func output(of attempt: AttemptResult) throws(LBSampleError) -> [UInt8] {
    guard let bracket = attempt.bracket else { return [] }
    return try reader.output(bracket: bracket)
  }
}
