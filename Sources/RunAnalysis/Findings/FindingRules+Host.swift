/// Rules about what the host lacks, or gives to others.
extension FindingRules {
  static let memoryPressure = FindingRule(
    "memory-pressure", .warning, fewest: 3,
    cases: [
      .init(
        [
          .init("in", "count", "vm.pswpin"), .init("out", "count", "vm.pswpout"),
          .init("swapped", "count", "in + out"),
          .init("swapped_rate", "count/s", "1000000000 * swapped / bracket_time"),
        ],
        [.init("swapped", .atLeast, 100), .init("swapped_rate", .atLeast, 100)],
        "the host swapped {in} pages in and {out} out in a repetition ({swapped_rate})"),
      .init(
        [
          .init("memory_stalled", "share", "pressure.memory.some.total / bracket_time"),
          .init("stalled", "ns", "pressure.memory.some.total"),
        ],
        [.init("memory_stalled", .atLeast, 0.05)],
        "tasks waited for memory during {memory_stalled} of the time ({stalled} in a repetition)"),
      .init(
        [
          .init("faults", "count", "tree.majflt"),
          .init("fault_rate", "count/s", "1000000000 * faults / bracket_time"),
        ],
        [.init("faults", .atLeast, 100), .init("fault_rate", .atLeast, 100)],
        "the workload had {faults} page faults that read from disk in a repetition "
          + "({fault_rate}): pages that it maps were not in memory"),
    ],
    next: [
      "lbsample run --memory --vm --pressure -- COMMAND: free memory, reclaim and swapping",
      "lbsample run --footprint --tree workload -- COMMAND: memory of its processes",
    ],
    about: """
      Fires where the host swapped 100 pages or more in a repetition and 100 a second \
      (`vm.pswpin`, `vm.pswpout`), where some task waited for memory during 5 % of the time or \
      more (`pressure.memory.some.total`), or where the workload had 100 major page faults or \
      more in a repetition and 100 a second (`tree.majflt`). Swapping and pressure are those of \
      the whole host. Major faults alone may mean that files were not cached: a warm-up \
      repetition (`--warmup 1`) shows it.
      """)

  static let othersOnCPUs = FindingRule(
    "others-on-cpus", .warning, fewest: 3, sample: .counted,
    cases: [
      .init(
        [
          .init("others", "share", "foreign_time / bracket_time"),
          .init("foreign_time", "ns", "foreign_time"),
          .init("workload_cpus", "count", "workload_cpus"),
          // Three ticks of 10 ms for one CPU; of several the errors add up by their squares.
          .init("beyond_ticks", "ns", "foreign_time - 30000000 * workload_cpus_root"),
          .init("others_beyond_ticks", "share", "beyond_ticks / bracket_time"),
        ],
        [.init("others_beyond_ticks", .above, 0.1)],
        "other processes used {others} of one CPU on the {workload_cpus} CPUs of the workload "
          + "({foreign_time} in a repetition)")
    ],
    next: [
      "lbsample --top 5: the busiest processes of the host",
      "lbsample run --cooldown-until-idle 30s --workload-cpus LIST -- COMMAND: wait for a "
        + "quiet host, or keep to some CPUs",
    ],
    about: """
      Fires where the median CPU time of other processes on the CPUs that the workload may use \
      exceeds 10 % of one CPU plus a tolerance of 30 ms × √CPUs: the \
      [`foreign_cpu`](../explanation/gates-and-statistics.md#gates) limit, applied to medians.
      """)

  static let runQueue = FindingRule(
    "run-queue", .warning, fewest: 3, choice: .first,
    cases: [
      .init(
        [
          .init("waiting", "count", "scheduler.run_delay[*] / bracket_time"),
          .init("waiting_per_cpu", "1", "waiting / host_cpus"),
          .init("host_cpus", "count", "host_cpus"),
        ],
        [.init("waiting_per_cpu", .atLeast, 0.25)],
        "on average {waiting} tasks waited for one of {host_cpus} CPUs: more tasks were runnable "
          + "than there are CPUs"),
      .init(
        [
          .init("queue", "count", "cpu.procs_running - 1"),
          .init("queue_per_cpu", "1", "queue / host_cpus"),
          .init("host_cpus", "count", "host_cpus"), .init("bracket_time", "ns", "bracket_time"),
        ],
        // At the edges, of which a short bracket has little else, lbsample itself runs.
        [.init("queue_per_cpu", .atLeast, 1.25), .init("bracket_time", .atLeast, 1e8)],
        "on average {queue} tasks were running or runnable on {host_cpus} CPUs: tasks waited for "
          + "a CPU"),
    ],
    next: [
      "lbsample run --scheduler --pressure -- COMMAND: time that tasks waited, by CPU",
      "lbsample run --parameter-list threads=1,2,4 -- COMMAND {threads}: how the workload scales",
    ],
    about: """
      Fires where the tasks that waited for a CPU are 0.25 for each CPU of the host or more, on \
      average (`scheduler.run_delay`). Where the kernel has no schedstat: where 1.25 tasks for \
      each CPU ran or were runnable (`cpu.procs_running` without the sampling thread that reads \
      it), in repetitions of 100 ms or more. More threads than CPUs, or other programs, lengthen \
      the wall time and make it vary.
      """)

  static let throttled = FindingRule(
    "cgroup-throttled", .warning, fewest: 1,
    cases: [
      .init(
        each: "cgroup.cpu.stat.nr_throttled",
        [
          .init("throttled", "count", "cgroup.cpu.stat.nr_throttled[@]"),
          .init("periods", "count", "cgroup.cpu.stat.nr_periods[@]"),
          .init("throttled_share", "share", "throttled / periods"),
          .init("throttled_time", "ns", "cgroup.cpu.stat.throttled*[@]"),
        ],
        [.init("throttled_share", .atLeast, 0.05)],
        "the control group {@} was throttled in {throttled} of {periods} periods of a repetition "
          + "({throttled_share}), for {throttled_time} together")
    ],
    next: [
      "lbsample --cgroup PATH: the group's quota and period (cgroup.cpu.max)",
      "lbsample run --cgroup-scope -- COMMAND: the workload in a control group of its own",
    ],
    about: """
      Fires where a sampled control group (`--cgroup`, `--cgroup-scope`) was throttled in 5 % of \
      its periods or more: it had used up the CPU time that `cpu.max` allows \
      (`cgroup.cpu.stat.nr_throttled`, `nr_periods`; version 1 too). Of several groups the \
      finding names the one with the most throttled periods. Its tasks stopped for the rest of \
      each of these periods, on all CPUs.
      """)

  static let remoteMemory = FindingRule(
    "remote-memory", .warning, fewest: 3,
    cases: [
      .init(
        [
          .init("remote", "count", "numa.other_node[*]"),
          .init("local", "count", "numa.local_node[*]"),
          .init("remote_share", "share", "remote / ( remote + local )"),
        ],
        [.init("remote_share", .atLeast, 0.1), .init("remote", .atLeast, 1000)],
        "{remote} of the pages that were allocated in a repetition ({remote_share}) lie on another "
          + "NUMA node than the process that asked for them ran on"),
      .init(
        [
          .init("missed", "count", "numa.numa_miss[*]"),
          .init("hit", "count", "numa.numa_hit[*]"),
          .init("missed_share", "share", "missed / ( missed + hit )"),
        ],
        [.init("missed_share", .atLeast, 0.1), .init("missed", .atLeast, 1000)],
        "{missed} of the pages that were allocated in a repetition ({missed_share}) lie on "
          + "another NUMA node than requested: the requested one was full"),
    ],
    next: [
      "lbsample run --numa -- COMMAND: free memory and allocations of each node",
      "lbsample run --workload-cpus LIST -- COMMAND: keep to the CPUs of one node",
    ],
    about: """
      Fires where 10 % of the allocated pages or more, and 1000 or more in a repetition, were \
      allocated on another NUMA node than their process ran on (`numa.other_node` against \
      `numa.local_node`), or on another one than requested (`numa.numa_miss` against \
      `numa.numa_hit`). The counts are those of the whole host. Remote memory is slower by the \
      distance of the nodes.
      """)

  static let packetDrops = FindingRule(
    "packet-drops", .warning, fewest: 3,
    cases: [
      .init(
        each: "packets.dropped_socket",
        [
          .init("dropped", "count", "packets.dropped_socket[@]"),
          .init("received", "count", "packets.received[@]"),
          .init("dropped_share", "share", "dropped / received"),
        ],
        [.init("dropped_share", .atLeast, 0.001)],
        "the packet capture of {@} found its buffer full for {dropped} of {received} packets of a "
          + "repetition ({dropped_share}): they are counted in no other metric of packets"),
      .init(
        each: "net.rx_drop",
        [
          .init("dropped", "count", "net.rx_drop[@] + net.tx_drop[@]"),
          .init("passed", "count", "net.rx_packets[@] + net.tx_packets[@]"),
          .init("dropped_share", "share", "dropped / ( passed + dropped )"),
        ],
        [.init("dropped_share", .atLeast, 0.001), .init("dropped", .atLeast, 10)],
        "the network interface {@} dropped {dropped} packets in a repetition ({dropped_share}), "
          + "and passed {passed}"),
      .init(
        [.init("dropped", "count", "softnet.dropped[*]")],
        [.init("dropped", .atLeast, 10)],
        "the kernel dropped {dropped} packets in a repetition, since the queues of its CPUs were "
          + "full"),
    ],
    next: [
      "lbsample run --net --softnet --protocols -- COMMAND: where packets were dropped",
      "lbsample run --packets IF --packets-buffer BYTES -- COMMAND: a larger buffer for capture",
    ],
    about: """
      Fires where a packet capture lost 0.1 % of its packets or more (`packets.dropped_socket` \
      against `packets.received`), where an interface dropped 0.1 % of its packets or more and \
      10 or more in a repetition (`net.rx_drop`, `net.tx_drop`), or where the kernel's receive \
      path dropped 10 or more (`softnet.dropped`). It stays silent where less than half of the \
      repetitions have that many drops. Interfaces also count packets of protocols for which no \
      program listens.
      """)
}
