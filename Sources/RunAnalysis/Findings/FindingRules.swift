/// The rules, those that describe the workload first.
package enum FindingRules {
  /// All rules. docs/reference/findings.md has a section for each, which a test holds to `about`.
  package static let all: [FindingRule] =
    [
      oneCPU, diskWait, unexplainedWall, memoryPressure, othersOnCPUs, runQueue, throttled,
      remoteMemory, packetDrops, bimodal, drift,
    ]

  /// Shares of a CPU say little of a workload that takes no longer than this many nanoseconds.
  private static let shortest = 1e7

  private static let wall = FindingRule.Number("wall_time", "ns", "wall_time")
  private static let cpu = FindingRule.Number("cpu_time", "ns", "cpu_time")
  private static let cpuShare = FindingRule.Number("cpu_share", "share", "cpu_time / wall_time")
  private static let cpus = FindingRule.Number("host_cpus", "count", "host_cpus")
  private static let ioStalled = FindingRule.Number(
    "io_stalled", "share", "pressure.io.some.total / bracket_time")

  static let oneCPU = FindingRule(
    "one-cpu", .info, fewest: 1,
    cases: [
      .init(
        [cpuShare, cpu, wall, cpus],
        [
          .init("cpu_share", .atLeast, 0.9), .init("cpu_share", .atMost, 1.05),
          .init("host_cpus", .atLeast, 2), .init("wall_time", .atLeast, shortest),
        ],
        "the workload used {cpu_time} of CPU time in {wall_time} of wall time, {cpu_share} of one "
          + "CPU, on a host with {host_cpus} CPUs: it is bound by one CPU")
    ],
    next: [
      "lbsample run --tree workload --per-thread -- COMMAND: CPU time of each thread",
      "lbsample run --perf basic -- COMMAND: instructions and cache misses",
    ],
    about: """
      Fires where the median CPU time of the workload (user and system) is 90 to 105 % of its \
      median wall time, the wall time is at least 10 ms, and the host has two CPUs or more. \
      The workload would end sooner on a faster CPU, or if it used several; faster disks or more \
      memory would not help. Several threads that wait for one another look the same.
      """)

  static let diskWait = FindingRule(
    "disk-wait", .info, fewest: 3, choice: .first,
    cases: [
      .init(
        [ioStalled] + disk,
        [.init("io_stalled", .atLeast, 0.2)] + busyDisk,
        "tasks waited for disk during {io_stalled} of the time, and the workload used {cpu_share} "
          + "of one CPU; the disks read {read} and wrote {written} in a repetition"),
      .init(
        [.init("iowait", "share", "cpu.iowait[all] / bracket_time")] + disk,
        [.init("iowait", .atLeast, 0.2)] + busyDisk,
        "CPUs were idle with requests to disks open during {iowait} of the time, and the workload "
          + "used {cpu_share} of one CPU; the disks read {read} and wrote {written} in a repetition"
      ),
    ],
    next: [
      "lbsample run --disk --pressure -- COMMAND: requests, their times and queues by device",
      "lbsample --top 5 --top-by io: the processes that read and write",
    ],
    about: """
      Fires where some task waited for disk during 20 % of the time or more \
      (`pressure.io.some.total`; where the kernel has no pressure, `cpu.iowait[all]`), the \
      workload used less than 80 % of one CPU, and the disks read or wrote. The pressure is that \
      of the whole host: another program's requests count too. Bytes are the sum over devices, \
      so that a RAID array and its members count twice.
      """)

  private static let disk: [FindingRule.Number] = [
    cpuShare, .init("read", "bytes", "disk.read_sectors[*]"),
    .init("written", "bytes", "disk.write_sectors[*]"),
    .init("moved", "bytes", "read + written"),
  ]

  private static let busyDisk: [FindingRule.Condition] = [
    .init("cpu_share", .below, 0.8), .init("moved", .above, 0),
  ]

  static let unexplainedWall = FindingRule(
    "unexplained-wall", .info, fewest: 3, choice: .first,
    cases: [
      .init(
        [
          .init(
            "unexplained", "ns", "wall_time - cpu_time - pressure.io.some.total"),
          .init("unexplained_share", "share", "unexplained / wall_time"),
          wall, cpu, ioStalled,
          .init("memory_stalled", "share", "pressure.memory.some.total / bracket_time"),
          .init("cpu_stalled", "share", "pressure.cpu.some.total / bracket_time"), packets,
        ],
        [
          .init("io_stalled", .below, 0.05), .init("memory_stalled", .below, 0.05),
          .init("cpu_stalled", .below, 0.2),
        ] + idle,
        "{unexplained} of {wall_time} wall time ({unexplained_share}) is neither CPU time "
          + "({cpu_time}) nor waiting for disk ({io_stalled} of the time) nor network traffic "
          + "({packets}): the workload slept, or waited for a lock, a timer or another process"),
      .init(
        [
          .init("unexplained", "ns", "wall_time - cpu_time"),
          .init("unexplained_share", "share", "unexplained / wall_time"),
          wall, cpu, .init("disk_busy", "share", "disk.io_ticks[*] / bracket_time"), packets,
        ],
        [.init("disk_busy", .below, 0.05)] + idle,
        "{unexplained} of {wall_time} wall time ({unexplained_share}) is neither CPU time "
          + "({cpu_time}) nor waiting for disk (busy for {disk_busy} of the time) nor network "
          + "traffic ({packets}): the workload slept, or waited for a lock, a timer or another "
          + "process"),
    ],
    next: [
      "lbsample run --tree workload --per-thread -- COMMAND: states and switches of its processes",
      "lbsample run --perf scheduler -- COMMAND: how often the workload was switched and migrated",
    ],
    about: """
      Fires where half of the median wall time or more is neither CPU time nor time in which \
      tasks waited for disk; tasks waited for disk and for memory during less than 5 % of the \
      time each, and for a CPU during less than 20 % (`pressure`; where the kernel has none: \
      disks were busy for less than 5 %); and network interfaces received and sent fewer than \
      100 packets per second. The wall time is at least 10 ms. A faster host would not make such a \
      workload faster: look for sleeps, timers, locks and other processes.
      """)

  private static let packets = FindingRule.Number(
    "packets", "count/s",
    "1000000000 * ( net.rx_packets[*] + net.tx_packets[*] ) / bracket_time")

  private static let idle: [FindingRule.Condition] = [
    .init("unexplained_share", .atLeast, 0.5), .init("packets", .below, 100),
    .init("wall_time", .atLeast, shortest),
  ]
}
