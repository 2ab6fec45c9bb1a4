import Collectors
package import LinuxSystem
import PacketStatistics
import PerfEvents
import SampleModel
package import Sampler

/// What the kits make of a `Sampling`: one reading for samplers and runs.
extension Sampling {
  /// The collectors that are asked for, and what processes beside the workload have of them.
  package struct Requests {
    package var requests: [CollectorRequest]
    private let options: CollectorOptions

    fileprivate init(_ requests: [CollectorRequest], _ options: CollectorOptions) {
      self.requests = requests
      self.options = options
    }

    /// Adds what of them follows the workload, for each of `targets`, which is asked for only where
    /// there is something.
    package mutating func add(beside targets: () -> [WorkloadTarget]) {
      requests += options.besideRequests(requests, targets)
    }
  }

  /// How to sample; `maximumDeliveryLatency` is in nanoseconds, nil without a live view. `workload`
  /// are the CPUs of what is measured. Throws `configuration`.
  package func configuration(
    workload: [Int]?, maximumDeliveryLatency: UInt64?
  ) throws(LBError) -> SamplerConfiguration {
    let mounts = MountRoots(proc: procRoot, sys: sysRoot)
    let allowed = CPUSet.allowed()
    let placement: Sampler.Placement =
      switch placement {
      case .automatic: .automatic
      case .cpus(let cpus): .cpus(cpus)
      case .nodes: .nodes
      }
    let measured = workload.map { CPUSet($0) }
    if case .cpus(let cpus) = placement {
      for cpu in cpus where !allowed.contains(cpu) {
        throw LBError(
          .configuration,
          "placement: CPU \(cpu) is not allowed to this process; name one of \(allowed)")
      }
    }
    let cpus = try placement.resolve(roots: mounts, allowed: allowed, workload: measured)
    guard !cpus.isEmpty else {
      throw LBError(.configuration, "placement: it names no CPU; use .automatic")
    }
    if let budget, !(budget > 0 && budget <= 1) {
      throw LBError(.configuration, "budget \(budget): expected a share above 0 and up to 1")
    }
    var configuration = SamplerConfiguration(
      interval: try nanoseconds(interval, "interval"), cpus: cpus,
      context: CollectorContext(
        roots: mounts, filter: ColumnFilter(only: only, except: except)))
    configuration.priority = try scheduling()
    configuration.budget = budget
    configuration.drainCPUs = measured.map { allowed.subtracting($0) }
    configuration.maximumDeliveryLatency = maximumDeliveryLatency
    return configuration
  }

  /// The requests for its collectors and sources; with a `workload`, its tree and its events are
  /// meant; `scope` is the control group of workloads. Throws `configuration`, also for a name that
  /// no collector has.
  package func requests(
    workload: WorkloadTarget? = nil, scope: ControlGroup? = nil
  ) throws(LBError) -> Requests {
    var options = CollectorOptions()
    options.tree = tree.map { WorkloadTarget(process: $0) } ?? workload
    options.processes = processes
    options.perThread = perThread
    options.cgroups = controlGroups.map { .path($0) } + (scope.map { [.scope($0)] } ?? [])
    guard (0...256).contains(top) else {
      throw LBError(.configuration, "top \(top): expected a whole number from 0 to 256")
    }
    options.top = top
    options.perf = try performance(workload)
    if !interfaces.isEmpty {
      var capture = CaptureOptions(interfaces: interfaces)
      capture.filter = packetFilter
      capture.top = workload == nil ? 0 : capture.top
      options.packets = capture
    } else if packetFilter != nil {
      throw LBError(.configuration, "packetFilter: it has no effect without interfaces")
    }
    let registry = CollectorRegistry.host(options)
    let known = registry.collectors.map(\.description.name)
    let named: [(name: CollectorName, isNamed: Bool)] = [
      (.perf, !events.isEmpty), (.packets, !interfaces.isEmpty), (.process, !processes.isEmpty),
      (.cgroup, !options.cgroups.isEmpty), (.top, top > 0),
    ]
    let all = collectors + named.filter(\.isNamed).map(\.name)
    var requests: [CollectorRequest] = []
    for name in all where !requests.contains(where: { Self.name(of: $0) == name }) {
      guard let collector = registry[name.rawValue] else {
        let nearest = Nearest.hint(Nearest.word(to: name.rawValue, in: known))
        throw LBError(
          .configuration,
          "unknown collector \(name)\(nearest): there are \(known.joined(separator: ", "))")
      }
      let own = try intervals[name].map { interval throws(LBError) in
        try nanoseconds(interval, "intervals[\(name)]")
      }
      requests.append(
        CollectorRequest(collector, interval: own, required: !optional.contains(name)))
    }
    for name in intervals.keys.sorted(by: { $0.rawValue < $1.rawValue }) + optional
    where !all.contains(name) {
      throw LBError(.configuration, "\(name): it is not among the collectors that are sampled")
    }
    return Requests(try requests + ownRequests(known), options)
  }

  private static func name(of request: CollectorRequest) -> CollectorName {
    CollectorName(request.collector.description.name)
  }

  private func nanoseconds(_ interval: Duration, _ setting: String) throws(LBError) -> UInt64 {
    guard (.microseconds(10)...(.seconds(86_400 * 365))).contains(interval) else {
      throw LBError(.configuration, "\(setting) \(interval): expected 10 µs to a year")
    }
    return UInt64(interval.wholeNanoseconds)
  }

  private func scheduling() throws(LBError) -> SchedulingPriority {
    let (level, policy): (Int, SchedulingPriority) =
      switch priority {
      case .other: (1, .other)
      case .fifo(let level): (level, .fifo(Int32(clamping: level)))
      case .roundRobin(let level): (level, .roundRobin(Int32(clamping: level)))
      }
    guard (1...99).contains(level) else {
      throw LBError(.configuration, "priority \(level): expected a level from 1 to 99")
    }
    return policy
  }

  private func performance(_ workload: WorkloadTarget?) throws(LBError) -> PerfChoice? {
    guard !events.isEmpty else { return nil }
    let resolver = EventResolver(EventSources(MountRoots(proc: procRoot, sys: sysRoot)))
    let scope: PerfScope =
      if !processes.isEmpty {
        .processes(processes)
      } else if let workload {
        .workload(workload)
      } else {
        .system(nil)
      }
    do throws(EventError) {
      var choice = PerfChoice(
        groups: try resolver.groups(events.joined(separator: ",")), scope: scope)
      // As sampling.least_running and sampling.event_cost have it in the command.
      choice.minimumRunningRatio = 0.01
      choice.costLimit = 0.05
      choice.perThread = perThread
      return choice
    } catch {
      throw LBError(.configuration, "events: \(error.text): \(error.reason)")
    }
  }

  /// Requests for the program's own sources, whose names no collector of `known` has.
  private func ownRequests(_ known: [String]) throws(LBError) -> [CollectorRequest] {
    try sources.map { source throws(LBError) in
      let isTaken =
        known.contains(source.name) || sources.count { $0.name == source.name } > 1
      guard !isTaken, !source.name.isEmpty, !source.metrics.isEmpty else {
        throw LBError(
          .configuration,
          "source \"\(source.name)\": it needs metrics, and a name that no other collector has")
      }
      return CollectorRequest(SourceCollector(source))
    }
  }
}
