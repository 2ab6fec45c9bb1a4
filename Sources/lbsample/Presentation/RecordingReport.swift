import Output
import RunAnalysis
import RunStore
import SampleModel

/// The digest of a plain recording, read in up to three passes over its samples: what each row was,
/// when rows were high, and which processes were there then.
struct RecordingReport {
  let digest: RecordingDigest
  let processes: [[RecordingDigest.Process]]

  /// nil of a run, or where nothing was sampled.
  init?(
    _ reader: RunReader, _ result: RunResult, _ definition: DigestDefinition
  ) throws(LBError) {
    guard result.kind == "sample", try reader.frameCount() > 0 else { return nil }
    var selection = RunReplay.Selection()
    selection.passes = definition.usage
    let replay = RunReplay(reader, selection: selection)
    let first = DigestSink(definition)
    try replay.play(into: first)
    var digest = first.digest
    if digest.mayHaveBeenBusy {
      let second = DigestSink(definition, busyIn: digest)
      try replay.play(into: second)
      digest = second.digest
    }
    let stretches = digest.stretches
    var processes: [[RecordingDigest.Process]] = []
    if digest.hasProcesses, !stretches.isEmpty {
      var records = RunReplay.Selection()
      records.passes = { _ in false }
      let sink = ProcessSink(stretches)
      try replay.selecting(records).play(into: sink)
      processes = sink.processes
    }
    self.digest = digest
    self.processes = processes
  }

  var lines: [String] { DigestText.lines(digest, processes: processes) }
}
