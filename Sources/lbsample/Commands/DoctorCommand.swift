import ArgumentParser
import Foundation
import LinuxSystem
import Output
import PacketStatistics
import SampleModel

/// `lbsample doctor`: which features this host permits, and how to permit others.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Show which features this host permits, and how to permit the others.")
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text or json.", valueName: "format"))
  var format = "text"
  @OptionGroup var mounts: MountOptions

  func run() throws {
    try Formats.check(format, of: ["text", "json"])
    try mounts.check()
    let findings = HostExamination(roots: mounts.roots).findings()
    if format == "json" {
      try Console.write(try JSONText.encode(findings, pretty: true) + "\n")
      return
    }
    try Console.show(Self.text(findings))
  }

  /// One line each, and one for each fix.
  static func text(_ findings: [Finding]) -> String {
    var text = ""
    let width = findings.map(\.subject.count).max() ?? 0
    for finding in findings {
      let pad = String(repeating: " ", count: width - finding.subject.count)
      text += "\(finding.verdict.mark) \(finding.subject)\(pad)  \(finding.detail.shownInLine)\n"
      if let fix = finding.fix {
        text += "        " + String(repeating: " ", count: width) + "  fix: \(fix.shownInLine)\n"
      }
    }
    return text
  }
}

/// A finding about one feature of the host.
struct Finding: Encodable {
  /// Whether the feature can be used.
  enum Verdict: String, Encodable {
    case fact, permitted, limited, denied, absent

    var mark: String {
      switch self {
      case .fact: "       "
      case .permitted: "ok     "
      case .limited: "partial"
      case .denied: "denied "
      case .absent: "n/a    "
      }
    }
  }

  var subject: String
  var verdict: Verdict
  var detail: String
  /// The command that changes it.
  var fix: String?
}

/// The checks of `doctor`.
struct HostExamination {
  let roots: MountRoots

  /// All findings, in the order in which they are shown.
  func findings() -> [Finding] {
    [kernel(), user(), cpus(), clock()] + memory() + scheduling() + perf() + [tracefs()]
      + processes() + numa() + [capture()]
  }

  private func fact(_ subject: String, _ detail: String) -> Finding {
    Finding(subject: subject, verdict: .fact, detail: detail)
  }

  private func kernel() -> Finding {
    fact("kernel", SmallFile.text(roots.proc("sys/kernel/osrelease")) ?? "unknown")
  }

  private func user() -> Finding {
    let capabilities = HostFacts.effectiveCapabilities() ?? 0
    let named: [(UInt64, String)] = [
      (12, "net_admin"), (13, "net_raw"), (14, "ipc_lock"), (19, "sys_ptrace"),
      (21, "sys_admin"), (23, "sys_nice"), (24, "sys_resource"), (38, "perfmon"), (39, "bpf"),
    ]
    let held = named.filter { capabilities >> $0.0 & 1 == 1 }.map(\.1)
    let words = held.isEmpty ? "no relevant capabilities" : held.joined(separator: " ")
    return fact("user", "uid \(getuid()), \(words)")
  }

  private func cpus() -> Finding {
    let online = SmallFile.text(roots.sys("devices/system/cpu/online")) ?? "unknown"
    let isolated = HostFacts.isolatedCPUs(roots)
    return fact(
      "cpus",
      "online \(online), usable by this process: \(CPUSet.allowed())"
        + (isolated.isEmpty ? "" : ", isolated \(isolated)"))
  }

  private func clock() -> Finding {
    let path = "devices/system/clocksource/clocksource0/current_clocksource"
    let source = SmallFile.text(roots.sys(path)) ?? "unknown"
    let isFast = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"]
      .contains(source)
    return Finding(
      subject: "clock source", verdict: isFast ? .permitted : .limited,
      detail: isFast ? "\(source): read without a system call" : "\(source): slow to read",
      fix: isFast
        ? nil : "echo tsc > \(roots.sys(path)) (if it is in available_clocksource)")
  }

  private func memory() -> [Finding] {
    let limit = HostFacts.memoryLockLimit()
    let isFree = limit == nil || (HostFacts.effectiveCapabilities() ?? 0) >> 14 & 1 == 1
    return [
      Finding(
        subject: "locked memory", verdict: isFree ? .permitted : .limited,
        detail: isFree
          ? "unlimited" : "limited to \(Self.amount(limit ?? 0)) (RLIMIT_MEMLOCK)",
        fix: isFree ? nil : "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit")
    ]
  }

  /// `8 MiB`.
  private static func amount(_ bytes: UInt64) -> String {
    bytes % (1 << 20) == 0 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
  }

  private func scheduling() -> [Finding] {
    let permitted = (HostFacts.effectiveCapabilities() ?? 0) >> 23 & 1 == 1
    return [
      Finding(
        subject: "real-time priority", verdict: permitted ? .permitted : .denied,
        detail: permitted ? "--priority fifo:N works" : "needs CAP_SYS_NICE",
        fix: permitted ? nil : "sudo setcap cap_sys_nice+ep \"$(command -v lbsample)\"")
    ]
  }

  /// What kernel.perf_event_paranoid permits, and the commands that permit more
  /// (Documentation/admin-guide/perf-security.rst).
  private func perf() -> [Finding] {
    let path = roots.proc("sys/kernel/perf_event_paranoid")
    let paranoid = SmallFile.text(path) ?? "unknown"
    let kernel = LivePerfKernel()
    let own = PerfProbe(kernel, PerfProbe.contextSwitches)
    var software = Finding(
      subject: "perf events", verdict: .permitted,
      detail: "a workload's events can be counted in user space and in the kernel "
        + "(perf_event_paranoid \(paranoid))")
    if let errno = own.refusal(process: 0, cpu: -1, excludingKernel: false) {
      let user = own.refusal(process: 0, cpu: -1, excludingKernel: true)
      software.verdict = user == nil ? .limited : .denied
      software.detail =
        user == nil
        ? "a workload's events can be counted in user space only: context switches, migrations and "
          + "tracepoints are denied (perf_event_paranoid \(paranoid))"
        : "\(SystemError.words(errno)) (perf_event_paranoid \(paranoid))"
      software.fix = PerfProbe.fix(level: 1)
    }
    var system = Finding(
      subject: "perf on CPUs", verdict: .permitted, detail: "-a, -C and -G count whole CPUs")
    let cpu = Int32(CPUSet.allowed().members.first ?? 0)
    if let errno = PerfProbe(kernel, PerfProbe.taskClock)
      .refusal(process: -1, cpu: cpu, excludingKernel: false)
    {
      system.verdict = .denied
      system.detail =
        "per-CPU counting not permitted: \(SystemError.words(errno)) "
        + "(perf_event_paranoid \(paranoid))"
      system.fix = PerfProbe.fix(level: 0)
    }
    let cycles = PerfProbe(kernel, PerfEventAttributes(type: 0, config: 0))
      .refusal(process: 0, cpu: -1, excludingKernel: true)
    let hasPMU = SmallFile.text(roots.sys("bus/event_source/devices/cpu/type")) != nil
    let pmu = Finding(
      subject: "hardware counters",
      verdict: cycles == nil ? .permitted : .absent,
      detail: cycles.map {
        "no cycles counter: \(SystemError.words($0))"
          + (hasPMU ? "" : " (no cpu PMU: usual in a virtual machine)")
      } ?? "cycles can be counted")
    return [software, system, pmu]
  }

  private func tracefs() -> Finding {
    let path = roots.sys("kernel/tracing/events")
    let isMounted = Directories.exists(path)
    let isReadable = Directories.isReadable(path)
    return Finding(
      subject: "tracepoints", verdict: isReadable ? .permitted : isMounted ? .denied : .absent,
      detail: isReadable
        ? "tracefs is mounted" : isMounted ? "tracefs is not readable" : "tracefs is not mounted",
      fix: isReadable ? nil : "mount -t tracefs nodev /sys/kernel/tracing (as root)")
  }

  /// The sources by which a process tree can be followed, and control groups for workloads.
  private func processes() -> [Finding] {
    let administrator = "sudo setcap cap_net_admin+ep \"$(command -v lbsample)\""
    let forks = refusal { () throws(SystemError) in _ = try ProcessConnector() }
    let cpus = SmallFile.text(roots.sys("devices/system/cpu/possible")) ?? "0"
    let exits = refusal { () throws(SystemError) in _ = try ExitRecords(cpus: cpus) }
    let scope = ControlGroupScope.refusal(roots)
    return [
      Finding(
        subject: "fork events", verdict: forks == nil ? .permitted : .denied,
        detail: forks ?? "the process connector reports every new process",
        fix: forks == nil ? nil : administrator),
      Finding(
        subject: "exit records", verdict: exits == nil ? .permitted : .denied,
        detail: exits ?? "taskstats reports the exit of every process",
        fix: exits == nil ? nil : administrator),
      Finding(
        subject: "control group", verdict: scope == nil ? .permitted : .denied,
        detail: scope ?? "run --cgroup-scope works",
        fix: scope == nil ? nil : "run as root, or systemd-run --user --scope -p Delegate=yes"),
    ]
  }

  private func refusal(_ body: () throws(SystemError) -> Void) -> String? {
    do throws(SystemError) {
      try body()
      return nil
    } catch {
      return "\(error)"
    }
  }

  private func numa() -> [Finding] {
    let nodes = HostFacts.nodes(roots)
    guard !nodes.isEmpty else {
      return [
        Finding(subject: "numa", verdict: .absent, detail: "the kernel shows no NUMA nodes")
      ]
    }
    var findings = [
      Finding(
        subject: "numa", verdict: NumaLibrary.unavailable == nil ? .permitted : .limited,
        detail: "\(nodes.count) node\(nodes.count == 1 ? "" : "s"), "
          + HostFacts.topologyCheck(roots)
          + (NumaLibrary.unavailable.map { "; ring memory is not placed: \($0)" } ?? ""),
        fix: NumaLibrary.unavailable == nil ? nil : "apt-get install libnuma1")
    ]
    for node in nodes {
      let cpus = HostFacts.cpus(ofNode: node, roots)?.description ?? "none"
      let memory = HostFacts.memory(ofNode: node, roots).map { Readable.bytes(Double($0)) }
      let distances = HostFacts.distances(ofNode: node, roots).map { "\($0)" }
      findings.append(
        fact(
          "  node\(node)",
          "CPUs \(cpus), memory \(memory ?? "unknown"), distances "
            + distances.joined(separator: " ")))
    }
    if nodes.count > 1 { findings += distanceMatrix(nodes) }
    return findings
  }

  private func distanceMatrix(_ nodes: [Int]) -> [Finding] {
    func row(_ cells: [String]) -> String {
      cells.map { String(repeating: " ", count: max(0, 6 - $0.count)) + $0 }.joined()
    }
    let header = fact("  distance", row(nodes.map { "to \($0)" }))
    return [header]
      + nodes.map { node in
        fact(
          "  from \(node)", row(HostFacts.distances(ofNode: node, roots).map { "\($0)" }))
      }
  }

  private func capture() -> Finding {
    switch PcapLibrary.version() {
    case .failure(let error):
      return Finding(
        subject: "packet capture", verdict: .absent, detail: "no libpcap: \(error)",
        fix: "apt-get install libpcap0.8")
    case .success(let version):
      guard let refusal = PcapLibrary.captureRefusal() else {
        return Finding(subject: "packet capture", verdict: .permitted, detail: version)
      }
      return Finding(
        subject: "packet capture", verdict: .denied,
        detail: "\(version); opening a packet socket: \(SystemError.words(refusal))",
        fix: "sudo setcap cap_net_raw+ep \"$(command -v lbsample)\"")
    }
  }
}

/// Opens a performance event to find out whether that is permitted.
struct PerfProbe {
  static let taskClock = PerfEventAttributes(type: 1, config: 1)
  static let contextSwitches = PerfEventAttributes(type: 1, config: 3)

  private let kernel: any PerfKernel
  private let attributes: PerfEventAttributes

  init(_ kernel: any PerfKernel, _ attributes: PerfEventAttributes) {
    self.kernel = kernel
    self.attributes = attributes
  }

  /// The errno with which the kernel refuses the event, or nil.
  func refusal(process: Int32, cpu: Int32, excludingKernel: Bool) -> Int32? {
    var attributes = attributes
    attributes.flags = excludingKernel ? [.disabled, .excludeKernel] : [.disabled]
    let descriptor = kernel.open(attributes, process: process, cpu: cpu, leader: -1)
    guard descriptor >= 0 else { return -descriptor }
    kernel.close(descriptor)
    return nil
  }

  /// The commands that permit what needs this level of kernel.perf_event_paranoid.
  static func fix(level: Int) -> String {
    "sudo sysctl kernel.perf_event_paranoid=\(level), or sudo setcap cap_perfmon+ep "
      + "\"$(command -v lbsample)\""
  }
}
