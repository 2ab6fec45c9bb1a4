import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Synchronization
import TestSupport

@testable import Collectors
@testable import Sampler

/// A collector of kernel texts whose every reading is scripted: real texts through the real
/// decoder.
final class TextScript: TextCollector {
  /// What the kernel answers to one read of one file.
  enum Reading: Sendable, Hashable {
    case text(String)
    case failure(Int32)
  }

  private struct Progress {
    var next = 0
    var armings = 0
    var disarmings = 0
  }

  let description = CollectorDescription(
    name: "text", summary: "scripted texts", source: "none", minimumKernel: "0",
    privilege: "none", cost: .cheap, systemCallsPerSample: 0, metrics: [])
  private let files: [String]
  private let script: [[Reading]]
  private let rearmed: [Reading]?
  private let folder: TemporaryFolder
  private let descriptors: [String: Int32]
  private let progress = Mutex(Progress())
  private let scheduler: VirtualScheduler?
  private let duration: UInt64

  /// A collector of `files`: acquisition number n has the readings `script[n]`, one a file, and the
  /// last ones from there on. Each works for `duration` nanoseconds in the time of `scheduler`.
  /// Armings look at the readings of the next acquisition, all but the first at `rearmed`, if
  /// given.
  init(
    _ files: [String], _ script: [[Reading]], rearmed: [Reading]? = nil,
    scheduler: VirtualScheduler? = nil, duration: UInt64 = 0
  ) throws {
    self.rearmed = rearmed
    self.files = files
    self.script = script
    self.scheduler = scheduler
    self.duration = duration
    folder = try TemporaryFolder()
    var descriptors: [String: Int32] = [:]
    for case .text(let text) in Set(script.flatMap { $0 } + (rearmed ?? [])) {
      try folder.write("\(descriptors.count)", text)
      descriptors[text] = unsafe open(folder.file("\(descriptors.count)"), O_RDONLY)
    }
    self.descriptors = descriptors
  }

  deinit { for descriptor in descriptors.values { close(descriptor) } }

  var armings: Int { progress.withLock { $0.armings } }
  var disarmings: Int { progress.withLock { $0.disarmings } }

  func sources(_ context: CollectorContext) -> [TextSource] {
    files.map { path in
      TextSource(path) { text throws(KernelTextError) in try TextFormat.list(text) }
    }
  }

  func metric(_ field: TextField) -> MetricDescription? {
    MetricDescription(field.name, .count, .gauge, meaning: "scripted")
  }

  func probe(_ context: CollectorContext) -> Availability { .available }

  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let (step, isFirst) = progress.withLock { progress in
      progress.armings += 1
      return (progress.next, progress.armings == 1)
    }
    let readings = (isFirst ? nil : rearmed) ?? self.readings(step)
    let decoder = TextDecoder(self, context, sources(context))
    let (body, _) = RawBody.collect(atLeast: 0) { read(readings, into: &$0) }
    _ = decoder.decode(body.span)
    decoder.messages = []
    decoder.wantsRearm = false
    return Armed(self, decoder, words: body.count)
  }

  private func readings(_ step: Int) -> [Reading] { script[min(step, script.count - 1)] }

  private func read(_ readings: [Reading], into body: inout RawBody) {
    for reading in readings {
      switch reading {
      case .text(let text): body.text(descriptors[text] ?? -1, .whole)
      case .failure(let errno): body.number(0, failure: errno)
      }
    }
  }

  private final class Armed: ArmedCollector, @unchecked Sendable {
    // Sendable: as the base class says.
    private let script: TextScript

    init(_ script: TextScript, _ decoder: TextDecoder, words: Int) {
      self.script = script
      super.init(decoder: decoder, readingWords: words)
    }

    override func read(into body: inout RawBody) {
      let step = script.progress.withLock { progress in
        progress.next += 1
        return progress.next - 1
      }
      script.scheduler?.work(script.duration)
      script.read(script.readings(step), into: &body)
    }

    override func disarm() { script.progress.withLock { $0.disarmings += 1 } }
  }
}
