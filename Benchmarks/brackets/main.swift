// What a bracket around nothing costs: brackets [COUNT [system|workload|none]].
//
// Arms cpu, net, memory, disk and eight software events (of every CPU; of this process as the
// workload; or none) on one sampling thread, opens and closes COUNT brackets on its CPU, and prints
// one JSON object:
// microseconds of opening a workload's counters, of start, of stop up to the closing samples, of the
// acquisitions in both, and what is open before and after.
import Collectors
import Glibc
import LinuxSystem
import PerfEvents
import SampleModel
import Sampler

/// Descriptors, mappings and threads of this process.
func holdings() -> [Int] {
  let maps = SmallFile.text("/proc/self/maps") ?? ""
  return [
    directoryEntries("/proc/self/fd").count, maps.split(separator: "\n").count,
    directoryEntries("/proc/self/task").count,
  ]
}

func percentile(_ sorted: [UInt64], _ share: Double) -> Double {
  let place = min(sorted.count - 1, Int(Double(sorted.count) * share))
  return (Double(sorted[place]) / 100).rounded() / 10
}

func line(_ times: [UInt64]) -> String {
  guard !times.isEmpty else { return "null" }
  let sorted = times.sorted()
  return
    "{\"median_us\": \(percentile(sorted, 0.5)), \"p99_us\": \(percentile(sorted, 0.99)), "
    + "\"max_us\": \(percentile(sorted, 1))}"
}

let count = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 10_000 : 10_000
let of = CommandLine.arguments.count > 2 ? CommandLine.arguments[2] : "system"
let names =
  "task-clock,page-faults,context-switches,cpu-migrations,minor-faults,major-faults,"
  + "alignment-faults,emulation-faults"
do {
  let roots = MountRoots()
  let target = WorkloadTarget()
  var options = CollectorOptions()
  if of != "none" {
    options.perf = PerfChoice(
      groups: try EventResolver(EventSources(roots)).groups(names),
      scope: of == "workload" ? .workload(target) : .system(nil))
  }
  let registry = CollectorRegistry.host(options)
  let requests =
    ["cpu", "net", "memory", "disk"].compactMap { registry[$0] }
    + (of == "none"
      ? []
      : ["perf"]
        .compactMap { registry[$0] })
  let cpus = try Placement.automatic.resolve(roots: roots, allowed: .allowed(), workload: nil)
  let session = SamplerSession(
    SamplerConfiguration(
      interval: 1_000_000_000, cpus: cpus, context: CollectorContext(roots: roots)),
    requests: requests.map { CollectorRequest($0) }, sinks: [BracketDeltas()])
  try session.arm()
  if let cpu = session.bracketCPU { try CPUSet([cpu]).applyToThisThread() }
  var prepared: [UInt64] = []
  var starts: [UInt64] = []
  var stops: [UInt64] = []
  var both: [UInt64] = []
  // Room beforehand, so that these are not what grows.
  prepared.reserveCapacity(count)
  starts.reserveCapacity(count)
  stops.reserveCapacity(count)
  both.reserveCapacity(count)
  /// Nanoseconds of the acquisitions themselves.
  var reading: UInt64 = 0
  var frames: UInt64 = 0
  var isExact = true
  var before: [Int] = []
  for number in 0..<count + 100 {
    // What grows at first (buffers, the allocator's arenas) has grown by then.
    if number == 100 { before = holdings() }
    if of == "workload" {
      target.retarget(to: getpid())
      let called = Clock.monotonic()
      session.prepare()
      if number >= 100 { prepared.append(Clock.monotonic() - called) }
    }
    _ = try session.start()
    let account = try session.stop(sampling: true)
    guard number >= 100 else { continue }
    starts.append(account.overhead.startNanoseconds)
    stops.append(account.overhead.stopNanoseconds)
    both.append(account.overhead.startNanoseconds + account.overhead.stopNanoseconds)
    for thread in account.ledger.threads {
      for collector in thread.collectors { reading += collector.nanoseconds }
    }
    frames += account.ledger.threads.reduce(0) { $0 + $1.ring.drained }
    isExact = isExact && account.ledger.isExact
  }
  let after = holdings()
  session.disarm()
  let fields = [
    "\"brackets\": \(count)", "\"events\": \"\(of)\"", "\"frames\": \(frames)",
    "\"exact\": \(isExact)", "\"prepare\": \(line(prepared))", "\"start\": \(line(starts))",
    "\"stop\": \(line(stops))", "\"both\": \(line(both))",
    "\"reading_us\": \(Double(reading / UInt64(count)) / 1000)", "\"before\": \(before)",
    "\"after\": \(after)",
  ]
  print("{\(fields.joined(separator: ", "))}")
} catch {
  print("brackets: \(error)")
  exit(1)
}
