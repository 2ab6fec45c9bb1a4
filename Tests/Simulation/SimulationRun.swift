import Glibc
import LinuxSystem
import TestSupport

/// What sessions reached, added up.
struct SimulationTotals {
  private var counts: [String: Int]

  init(_ counts: [String: Int] = [:]) { self.counts = counts }

  mutating func add(_ number: Int, _ what: String) { counts[what, default: 0] += number }

  /// A line each: `17 hangs`.
  var lines: [String] { counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" } }
}

/// Many seeds, shared between processes.
struct SimulationRun {
  /// The seeds of one batch: a process costs as much as one of them.
  private static let batchSize = 100

  private let count: Int
  private let first: UInt64
  /// The number of the next seed of each lane, which has every so many: a session keeps to the CPU
  /// that its seed says, so that each lane has a CPU of its own.
  private var next: [Int]
  private var batches: [SimulationBatch?]
  private(set) var failures = 0
  private(set) var totals = SimulationTotals()

  init(_ count: Int, from first: UInt64) throws {
    self.count = count
    self.first = first
    let lanes = min(count, CPUSet.allowed().members.count)
    next = Array(0..<lanes)
    batches = Array(repeating: nil, count: lanes)
  }

  /// Runs all of them.
  mutating func finish() throws {
    while true {
      for lane in batches.indices where batches[lane] == nil && next[lane] < count {
        try begin(lane)
      }
      let running = batches.indices.filter { batches[$0] != nil }
      if running.isEmpty { return }
      let ready = Poll.wait(readable: running.map { batches[$0]?.descriptor ?? -1 }, until: nil)
      for place in ready { read(running[place]) }
    }
  }

  private mutating func begin(_ lane: Int) throws {
    let step = next.count
    let left = (count - next[lane] + step - 1) / step
    let batch = try SimulationBatch(
      min(left, Self.batchSize), from: first &+ UInt64(next[lane]), step: UInt64(step))
    next[lane] += batch.count * step
    batches[lane] = batch
  }

  private mutating func read(_ lane: Int) {
    guard let batch = batches[lane] else { return }
    let lines = batch.read()
    for line in lines ?? [] {
      let words = line.split(separator: " ", maxSplits: 2)
      switch words.first {
      case "fault": print(line.dropFirst(6))
      case "failed": failures += 1
      case "count":
        if words.count == 3, let number = Int(words[1]) { totals.add(number, String(words[2])) }
      default: break
      }
    }
    guard lines == nil else { return }
    batches[lane] = nil
    guard let lost = batch.lostSeed() else { return }
    failures += 1
    print("\(SimulationBatch.title(lost.seed))\n  \(lost.reason)")
    // Its lane goes on behind it.
    next[lane] = Int(truncatingIfNeeded: lost.seed &- first) + next.count
  }
}

/// A process that simulates some seeds and writes lines about them.
final class SimulationBatch {
  let count: Int
  private let child: GatedChild
  private let output: OwnedDescriptor
  private var bytes: [UInt8] = []
  /// The seed that it is at.
  private var seed: UInt64
  private var isWhole = false

  init(_ count: Int, from first: UInt64, step: UInt64) throws {
    self.count = count
    seed = first
    let pipe = try Pipe()
    let environment = try SmallFile.read("/proc/self/environ").split(separator: 0)
    child = try GatedChild(
      SpawnPlan(
        path: "/proc/self/exe",
        arguments: [CommandLine.arguments[0], "\(count)", "\(first)", "\(step)"],
        environment: environment.map { String(decoding: $0, as: UTF8.self) }, input: 0,
        output: pipe.writeEnd.number, error: 2))
    output = pipe.intoReadEnd()
    child.openGate()
  }

  /// Readable when it has written something, or is gone.
  var descriptor: Int32 { output.number }

  /// Whole lines that it has written meanwhile; nil when it is gone.
  func read() -> [String]? {
    var room = [UInt8](repeating: 0, count: 1 << 16)
    // Safe: the array's own count bounds the call.
    let got = unsafe Glibc.read(output.number, &room, room.count)
    guard got != 0 else { return nil }
    if got > 0 { bytes += room[..<got] }
    guard let end = bytes.lastIndex(of: 10) else { return [] }
    let lines = bytes[..<end].split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    bytes.removeSubrange(...end)
    for line in lines {
      if line.hasPrefix("at "), let number = UInt64(line.dropFirst(3)) { seed = number }
      if line == "end" { isWhole = true }
    }
    return lines
  }

  /// Once it is gone: the seed that it was at, and how it ended, if it was not done.
  func lostSeed() -> (seed: UInt64, reason: String)? {
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    let status = child.peekExit()
    _ = child.reap(until: Clock.monotonic())
    if isWhole { return nil }
    let cause =
      status?.signal.map { "by signal \($0)" } ?? status?.code.map { "with code \($0)" } ?? ""
    return (seed, "it ended its process \(cause)")
  }

  // MARK: In that process

  /// Simulates `count` seeds and writes what they came to to the standard output.
  static func simulate(_ count: Int, from first: UInt64, step: UInt64) throws {
    var totals = SimulationTotals()
    for number in 0..<count {
      let seed = first &+ UInt64(number) &* step
      try write("at \(seed)")
      let summary = SamplerSimulation.run(seed: seed)
      for (what, number) in summary.counts { totals.add(number, what) }
      guard !summary.faults.isEmpty else { continue }
      for line in report(summary).split(separator: "\n") { try write("fault \(line)") }
      try write("failed")
    }
    for line in totals.lines { try write("count \(line)") }
    try write("end")
  }

  private static func write(_ line: String) throws {
    try writeAll(Array("\(line)\n".utf8).span, to: 1)
  }

  /// A seed with its faults, and the command that repeats it.
  static func report(_ summary: SimulationSummary) -> String {
    ([title(summary.seed)] + summary.faults.map { "  \($0)" }).joined(separator: "\n")
  }

  static func title(_ seed: UInt64) -> String {
    "seed \(seed) (\(CommandLine.arguments[0]) 1 \(seed)):"
  }
}
