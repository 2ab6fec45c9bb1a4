/// Everything that chance decides about one simulated session before it begins.
package struct SimulationPlan: Sendable {
  /// One collector of the session.
  package struct Collector: Sendable {
    /// Its seed, for what chance decides while it is sampled.
    var seed: UInt64
    var name: String
    var isRaw: Bool
    var required: Bool
    var waits: Bool
    var isNonBlocking: Bool
    /// Deadlines between two acquisitions; nil for no wish.
    var cadence: UInt64?
    /// Columns of each shape that the source takes; all differ.
    var widths: [Int]
    /// Rows of a record batch, 0 for none.
    var rows: Int
    /// Nanoseconds that an acquisition works, one of these.
    var works: [UInt64]
    /// Probabilities at each acquisition: another shape, a gap for a while, a hang.
    var change: Double
    var gap: Double
    var hang: Double
    /// Probabilities at each arming: an error, a hang.
    var refusal: Double
    var armingHang: Double
    /// Probability of a hang where a bracket is prepared.
    var preparationHang: Double
  }

  let seed: UInt64
  var interval: UInt64
  var limit: UInt64?
  var maximumDeliveryLatency: UInt64?
  var aligned: Bool
  var budget: Double?
  var responseTimeout: UInt64
  var threads: Int
  var brackets: Int
  var collectors: [Collector]
  /// Nanoseconds that the sink works at a frame or a commit, one of these.
  var sinkWorks: [UInt64]
  /// A second sink fails at this frame.
  var sinkFailure: Int?
  var options: VirtualScheduler.Options
  /// What happens between and within the brackets.
  var steps: SeededGenerator
  /// Nothing hangs and nothing is refused.
  let isCalm: Bool

  /// The plan of `seed`.
  package init(seed: UInt64) {
    var random = SeededGenerator(seed)
    self.seed = seed
    isCalm = random.chance(0.5)
    interval = random.pick([200_000, 1_000_000, 1_000_000, 20_000_000, 1_000_000_000])
    limit = random.chance(0.25) ? UInt64(1 + random.below(20)) : nil
    maximumDeliveryLatency = random.chance(0.5) ? random.pick([1, 100_000_000, interval * 3]) : nil
    aligned = random.chance(0.2)
    budget = random.chance(0.1) ? random.pick([0.0001, 0.01, 0.3]) : nil
    responseTimeout = random.pick([20_000_000, 300_000_000, 5_000_000_000])
    threads = 1 + random.below(3)
    brackets = 1 + random.below(4)
    collectors = []
    sinkWorks = random.pick([
      [0], [0], [0, 900], [interval / 3], [0, 0, 0, 0, 0, interval * 3],
      [0, 0, 0, 0, 0, 0, 0, interval * 25],
    ])
    sinkFailure = random.chance(0.1) ? 1 + random.below(30) : nil
    options = VirtualScheduler.Options(seed: random.next())
    options.spurious = random.pick([0, 0, 0.05, 0.3])
    options.switching = random.pick([0.03, 0.15, 0.4])
    options.readCost = random.pick([0, 0, 40])
    options.pointLimit = 2_000_000
    steps = SeededGenerator(random.next())
    let count = 1 + random.below(6)
    for index in 0..<count { collectors.append(collector(index, &random)) }
  }

  private func collector(_ index: Int, _ random: inout SeededGenerator) -> Collector {
    let isRaw = random.chance(0.5)
    var widths = [random.pick([1, 2, 5, 40])]
    for _ in 0..<random.below(3) {
      let width = random.pick([1, 3, 6, 17, 41, 200, 900])
      if !widths.contains(width) { widths.append(width) }
    }
    if random.chance(0.06) { widths.append(isRaw ? 5000 : 4000) }
    let required = random.chance(0.5)
    let seed = random.next()
    var own = SeededGenerator(~seed)
    let works: [[UInt64]] = [
      [0], [1000], [30_000], [interval / 10, interval / 2], [interval / 50, interval * 7 / 10],
      [1000, 1000, 1000, 1000, interval * 3],
    ]
    return Collector(
      seed: seed, name: "c\(index)", isRaw: isRaw, required: required,
      waits: random.chance(0.1), isNonBlocking: random.chance(0.4),
      cadence: random.chance(0.5) ? UInt64(1 + random.below(5)) : nil, widths: widths,
      rows: !isRaw && random.chance(0.25) ? 1 + random.below(20) : 0,
      works: random.pick(works), change: widths.count > 1 ? random.pick([0, 0.02, 0.2]) : 0,
      gap: random.pick([0, 0, 0.05, 0.2]), hang: isCalm ? 0 : random.pick([0, 0, 0.01]),
      refusal: isCalm ? 0 : random.pick([0, 0, 0.3]),
      armingHang: isCalm ? 0 : random.pick([0, 0, 0.15]),
      preparationHang: isCalm ? 0 : own.pick([0, 0, 0.15]))
  }
}
