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

/// A cadence for each collector: a multiple of the interval.
struct CadenceOptions: ParsableArguments {
  @Option(name: .customLong("cpu-interval"), parsing: .unconditional, help: Self.help("cpu"))
  var cpu: String?
  @Option(name: .customLong("memory-interval"), parsing: .unconditional, help: Self.help("memory"))
  var memory: String?
  @Option(name: .customLong("disk-interval"), parsing: .unconditional, help: Self.help("disk"))
  var disk: String?
  @Option(name: .customLong("net-interval"), parsing: .unconditional, help: Self.help("net"))
  var net: String?
  @Option(
    name: .customLong("pressure-interval"), parsing: .unconditional, help: Self.help("pressure"))
  var pressure: String?
  @Option(name: .customLong("load-interval"), parsing: .unconditional, help: Self.help("load"))
  var load: String?
  @Option(name: .customLong("vm-interval"), parsing: .unconditional, help: Self.help("vm"))
  var vm: String?
  @Option(name: .customLong("numa-interval"), parsing: .unconditional, help: Self.help("numa"))
  var numa: String?
  @Option(
    name: .customLong("interrupts-interval"), parsing: .unconditional, help: Self.help("interrupts")
  )
  var interrupts: String?
  @Option(
    name: .customLong("softirqs-interval"), parsing: .unconditional, help: Self.help("softirqs"))
  var softirqs: String?
  @Option(
    name: .customLong("softnet-interval"), parsing: .unconditional, help: Self.help("softnet"))
  var softnet: String?
  @Option(
    name: .customLong("sockets-interval"), parsing: .unconditional, help: Self.help("sockets"))
  var sockets: String?
  @Option(
    name: .customLong("protocols-interval"), parsing: .unconditional, help: Self.help("protocols"))
  var protocols: String?
  @Option(
    name: .customLong("scheduler-interval"), parsing: .unconditional, help: Self.help("scheduler"))
  var scheduler: String?
  @Option(
    name: .customLong("frequency-interval"), parsing: .unconditional, help: Self.help("frequency"))
  var frequency: String?
  @Option(
    name: .customLong("temperature-interval"), parsing: .unconditional,
    help: Self.help("temperature"))
  var temperature: String?
  @Option(name: .customLong("power-interval"), parsing: .unconditional, help: Self.help("power"))
  var power: String?
  @Option(name: .customLong("files-interval"), parsing: .unconditional, help: Self.help("files"))
  var files: String?
  @Option(
    name: .customLong("conntrack-interval"), parsing: .unconditional, help: Self.help("conntrack"))
  var conntrack: String?
  @Option(
    name: .customLong("hugepages-interval"), parsing: .unconditional, help: Self.help("hugepages"))
  var hugepages: String?
  @Option(name: .customLong("zones-interval"), parsing: .unconditional, help: Self.help("zones"))
  var zones: String?
  @Option(name: .customLong("slab-interval"), parsing: .unconditional, help: Self.help("slab"))
  var slab: String?
  @Option(
    name: .customLong("filesystems-interval"), parsing: .unconditional,
    help: Self.help("filesystems"))
  var filesystems: String?
  @Option(name: .customLong("timex-interval"), parsing: .unconditional, help: Self.help("timex"))
  var timex: String?
  @Option(
    name: .customLong("entropy-interval"), parsing: .unconditional, help: Self.help("entropy"))
  var entropy: String?
  @Option(name: .customLong("links-interval"), parsing: .unconditional, help: Self.help("links"))
  var links: String?
  @Option(name: .customLong("md-interval"), parsing: .unconditional, help: Self.help("md"))
  var md: String?
  @Option(name: .customLong("nfs-interval"), parsing: .unconditional, help: Self.help("nfs"))
  var nfs: String?
  @Option(name: .customLong("edac-interval"), parsing: .unconditional, help: Self.help("edac"))
  var edac: String?

  @Option(name: .customLong("tree-interval"), parsing: .unconditional, help: Self.help("tree"))
  var tree: String?

  @Option(
    name: .customLong("process-interval"), parsing: .unconditional, help: Self.help("process"))
  var process: String?
  @Option(
    name: .customLong("cgroup-interval"), parsing: .unconditional, help: Self.help("cgroup"))
  var cgroup: String?
  @Option(
    name: .customLong("footprint-interval"), parsing: .unconditional, help: Self.help("footprint"))
  var footprint: String?
  @Option(name: .customLong("top-interval"), parsing: .unconditional, help: Self.help("top"))
  var top: String?
  @Option(name: .customLong("perf-interval"), parsing: .unconditional, help: Self.help("perf"))
  var perf: String?
  @Option(
    name: .customLong("packets-interval"), parsing: .unconditional, help: Self.help("packets"))
  var packets: String?

  private static func help(_ collector: String) -> ArgumentHelp {
    ArgumentHelp("Sampling interval of \(collector); a multiple of --interval.", valueName: "time")
  }

  /// Collectors whose cadence was given.
  var given: [(String, String)] {
    let all: [(CollectorFlag, String?)] = [
      (.cpu, cpu),
      (.memory, memory),
      (.disk, disk),
      (.net, net),
      (.pressure, pressure),
      (.load, load),
      (.vm, vm),
      (.numa, numa),
      (.interrupts, interrupts),
      (.softirqs, softirqs),
      (.softnet, softnet),
      (.sockets, sockets),
      (.protocols, protocols),
      (.scheduler, scheduler),
      (.frequency, frequency),
      (.temperature, temperature),
      (.power, power),
      (.files, files),
      (.filesystems, filesystems),
      (.conntrack, conntrack),
      (.hugepages, hugepages),
      (.zones, zones),
      (.slab, slab),
      (.entropy, entropy),
      (.timex, timex),
      (.links, links),
      (.md, md),
      (.nfs, nfs),
      (.edac, edac),
    ]
    let targeted: [(TargetedCollector, String?)] = [
      (.process, process),
      (.tree, tree),
      (.footprint, footprint),
      (.cgroup, cgroup),
      (.top, top),
      (.perf, perf),
      (.packets, packets),
    ]
    return all.compactMap { flag, interval in interval.map { (flag.rawValue, $0) } }
      + targeted.compactMap { flag, interval in interval.map { (flag.rawValue, $0) } }
  }

  /// The settings that these options stand for.
  var overrides: [(String, String, String)] {
    given.map { name, interval in
      ("collectors.\(name)_interval", interval, "--\(name)-interval")
    }
  }
}
