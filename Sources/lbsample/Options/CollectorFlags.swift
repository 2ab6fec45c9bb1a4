import ArgumentParser
import Collectors
import SampleModel
import Sampler

/// A flag for each collector.
enum CollectorFlag: String, EnumerableFlag {
  case cpu, memory, disk, net, pressure, load, vm, numa, interrupts, softirqs, softnet, sockets,
    protocols, scheduler, frequency, temperature, power, files, filesystems, conntrack, hugepages,
    zones, slab,
    entropy, timex, links, md, nfs, edac

  static func name(for value: CollectorFlag) -> NameSpecification {
    .customLong(value.rawValue)
  }

  /// Made once: the parser asks for help at each start, whether it is shown or not.
  private static let summaries = Dictionary(
    uniqueKeysWithValues: CollectorRegistry.host().collectors.map {
      ($0.description.name, $0.description.summary)
    })

  static func help(for value: CollectorFlag) -> ArgumentHelp? {
    let summary = summaries[value.rawValue] ?? ""
    return ArgumentHelp(stringLiteral: summary.prefix(1).uppercased() + summary.dropFirst() + ".")
  }
}

/// Collectors that an option with a value chooses.
enum TargetedCollector: String, CaseIterable {
  case process, tree, footprint, cgroup, top, perf, packets
}

extension CollectorOptions {
  /// Refuses --only where all of it is about collectors, of these `known` ones, that are not among
  /// the `requests`: no name tells that they have to be added.
  func checkOnly(_ known: [String], _ requests: [CollectorRequest]) throws(LBError) {
    let wanted = Set(only.map { String($0.prefix { $0 != "." }) })
    let chosen = Set(requests.map(\.collector.description.name))
    guard !wanted.isEmpty, !chosen.isEmpty, wanted.isSubset(of: known),
      wanted.isDisjoint(with: chosen)
    else { return }
    let options = wanted.sorted().map { "--\($0)" }.joined(separator: ", ")
    throw LBError(
      .configuration,
      "no metric matches --only \(only.joined(separator: ", ")): its collector is not selected; "
        + "add \(options)")
  }
}

/// How often collectors are read that have an interval of their own.
struct CadenceOptions: ParsableArguments {
  @Option(
    name: .customLong("interval-of"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Sampling interval of one collector, a multiple of --interval, as in disk=10s; may be "
        + "repeated. --disk-interval 10s means the same.", valueName: "collector=time"))
  var intervals: [String] = []

  /// Every name that the option accepts.
  static let collectors =
    CollectorFlag.allCases.map(\.rawValue) + TargetedCollector.allCases.map(\.rawValue)

  /// The settings that these options stand for.
  func overrides() throws(LBError) -> [Given] {
    try intervals.map { text throws(LBError) in
      guard let (name, interval) = text.halves("="), !interval.isEmpty else {
        throw LBError(
          .configuration, "--interval-of \(text): expected COLLECTOR=TIME, such as disk=10s")
      }
      guard Self.collectors.contains(name) else {
        let nearest = Nearest.word(to: name, in: Self.collectors)
        throw LBError(
          .configuration,
          "--interval-of \(text): unknown collector '\(name)'\(Nearest.hint(nearest)); "
            + "run 'lbsample collectors' for the list")
      }
      return Given(SettingsSchema.interval(of: name), interval, option: Self.option(name))
    }
  }

  /// The option that sets the interval of `collector`, as messages name it.
  static func option(_ collector: String) -> String { "--interval-of \(collector)" }

  /// `--disk-interval 10s` and `--disk-interval=10s` as `--interval-of disk=10s`; nil of any other
  /// argument. `next` is the argument after it, which `usesNext` says is the value.
  static func rewritten(
    _ argument: String, next: String?
  ) -> (arguments: [String], usesNext: Bool)? {
    guard argument.hasPrefix("--") else { return nil }
    let halves = argument.halves("=")
    let option = halves?.front ?? argument
    let name = String(option.dropFirst(2).dropLast(suffix.count))
    guard option.hasSuffix(suffix), collectors.contains(name) else { return nil }
    if let value = halves?.back { return (["--interval-of", "\(name)=\(value)"], false) }
    return next.map { (["--interval-of", "\(name)=\($0)"], true) }
  }

  private static let suffix = "-interval"
}
