import ArgumentParser

/// A subject of help: the options and the keys of the configuration that belong together.
struct HelpTopic {
  let name: String
  /// One line, for lists of topics.
  let summary: String
  /// What one has to know to use its options.
  let explanation: String
  /// The groups whose options belong to it, so that a new option of a group is in the topic too.
  var groups: [any ParsableArguments.Type] = []
  /// Groups within those that are topics of their own.
  var apart: [any ParsableArguments.Type] = []
  /// Options beside those, without their dashes.
  var options: [String] = []
  /// Keys of collectors.conf beside those that the options set; `gates.` means all of a
  /// section.
  var keys: [String] = []
  /// The document that says more, below docs.
  let page: String

  /// All topics, in the order in which one meets them.
  static let all: [HelpTopic] = sampling + repeating + keeping

  private static let sampling: [HelpTopic] = [
    HelpTopic(
      name: "collectors", summary: "what is sampled: collectors, columns, intervals",
      explanation:
        "Each collector reads one source of the kernel. A collector that you name is required; of "
        + "the default collectors and of those of --all, the available ones are sampled. lbsample "
        + "collectors lists all collectors with their metrics, and which of them this host offers.",
      groups: [CollectorOptions.self, CadenceOptions.self],
      apart: [PerfOptions.self, PacketOptions.self], keys: ["collectors.default"],
      page: "reference/collectors.md"),
    HelpTopic(
      name: "processes", summary: "processes, trees, control groups, the busiest processes",
      explanation:
        "lbsample run follows the tree of the workload unless you name other collectors; then add "
        + "--tree workload.",
      options: [
        "process", "tree", "footprint", "cgroup", "top", "top-by", "per-thread", "cgroup-scope",
      ], page: "reference/collectors.md"),
    HelpTopic(
      name: "perf", summary: "performance events: sets, scope, formulas",
      explanation:
        "Events have the names that perf uses. The sets (basic, cache, tlb, topdown, memory, "
        + "energy, scheduler), formulas over events, and events that stand in for others are keys "
        + "of collectors.conf, where you can add your own. lbsample collectors --perf lists the "
        + "events of this host; lbsample doctor says whether they may be counted.",
      groups: [PerfOptions.self], options: ["per-thread"],
      keys: ["sampling.least_running", "sampling.event_cost", "gates.running"],
      page: "how-to/perf-events.md"),
    HelpTopic(
      name: "packets", summary: "packets on interfaces, or of a capture file",
      explanation:
        "Packets are counted, not kept. Capturing needs CAP_NET_RAW; reading a capture file needs "
        + "no privilege.",
      groups: [PacketOptions.self], keys: ["gates.packet_drops"], page: "how-to/packets.md"),
    HelpTopic(
      name: "numa", summary: "memory and CPUs by NUMA node",
      explanation:
        "--pin node makes one sampling thread for each node, with its memory there. Keep the "
        + "workload on one node's CPUs with --workload-cpus.",
      options: [
        "numa", "hugepages", "zones", "zones-per-cpu", "footprint", "pin", "workload-cpus",
      ],
      page: "reference/collectors.md"),
    HelpTopic(
      name: "sampling", summary: "interval, CPUs and priority of the sampling threads",
      explanation:
        "A duration is a number with a unit (ns, us, ms, s, m, h); a bare number is seconds.",
      groups: [SamplingOptions.self], options: ["interval", "count", "duration"],
      keys: ["sampling."], page: "explanation/measurement-model.md"),
    HelpTopic(
      name: "budget", summary: "what sampling itself may cost",
      explanation:
        "Each run reports what sampling cost; lbsample overhead measures the cost in advance. With "
        + "--budget, intervals are lengthened until the cost is within the budget.",
      options: ["budget", "max-own-cpu", "max-ring-memory", "interval-of"],
      keys: ["sampling.event_cost", "gates.own_cost"], page: "explanation/overhead.md"),
  ]

  private static let repeating: [HelpTopic] = [
    HelpTopic(
      name: "repetitions", summary: "how often and how long: pauses, time limits",
      explanation:
        "Warm-ups come first and are not counted. --until adds repetitions until the result is "
        + "precise enough.",
      options: [
        "repetitions", "warmup", "until", "max-repetitions", "cooldown", "cooldown-until-idle",
        "settle", "timeout", "idle-timeout", "grace",
      ], page: "reference/running.md"),
    HelpTopic(
      name: "workload", summary: "the command: input, variables, user, hooks, metrics",
      explanation:
        "The command after -- is executed without a shell; hooks are shell commands. The "
        + "workload's own metrics are read from its output.",
      groups: [WorkloadOptions.self], page: "reference/running.md"),
    HelpTopic(
      name: "plans", summary: "several commands, parameters, and plan files",
      explanation:
        "Several commands, and all combinations of parameters, are measured in one run. A plan "
        + "file can describe the same, and also phases, servers beside them, and conditions.",
      groups: [PlanOptions.self], page: "reference/plans.md"),
    HelpTopic(
      name: "reuse", summary: "earlier results instead of measuring the same again",
      explanation:
        "A phase is not measured again if a stored run measured it under the same conditions. If "
        + "lbsample cannot tell whether they are the same, it measures the phase.",
      options: ["reuse", "depends"], page: "reference/running.md"),
    HelpTopic(
      name: "retries", summary: "further attempts after a failure or a disturbance",
      explanation:
        "A workload that has begun is executed again only if it is --idempotent: after a failure "
        + "(retries) and after a disturbance that a gate found (repeats).",
      groups: [AttemptOptions.self], options: ["max-retries"],
      keys: ["run.backoff", "gates.repeats"], page: "explanation/gates-and-statistics.md"),
    HelpTopic(
      name: "gates", summary: "when a repetition counts as disturbed",
      explanation:
        "A repetition that breaks a limit is contaminated: it is marked with the reason, summaries "
        + "are given with and without it, and it is repeated if the workload is --idempotent. An "
        + "empty limit turns its gate off. Gates have keys and variables, no options: "
        + "LBSAMPLE_GATES_STEAL=5% lbsample run …",
      options: ["idempotent", "strict", "cooldown-until-idle"], keys: ["gates."],
      page: "explanation/gates-and-statistics.md"),
  ]

  private static let keeping: [HelpTopic] = [
    HelpTopic(
      name: "host", summary: "settings of the host for the time of a run",
      explanation:
        "lbsample restores the settings at the end of the run. After a kill, the next lbsample "
        + "that starts restores them.",
      options: ["set-host", "allow", "cooldown-until-idle"],
      keys: ["gates.host", "gates.host_window", "gates.quiet"], page: "reference/running.md"),
    HelpTopic(
      name: "limits", summary: "workspaces, and limits of the whole run",
      explanation: "A limit that is reached ends the run with exit code 6; its results are kept.",
      groups: [RunEnvironmentOptions.self], page: "reference/running.md"),
    HelpTopic(
      name: "output", summary: "reports, files, formats, messages",
      explanation:
        "Data goes to standard output, everything else to standard error. lbsample export writes "
        + "the samples of a stored run.",
      groups: [CSVOptions.self, LogOptions.self, StoreOptions.self],
      options: [
        "format", "view", "result", "output", "record", "textfile", "raw", "workload-output",
        "show-output",
        "name", "label", "per-cpu",
      ], keys: ["sample.colour", "run.output_limit", "run.mask"],
      page: "reference/output-formats.md"),
    HelpTopic(
      name: "events", summary: "events of a run for programs and people",
      explanation: "Each event is one JSON object.",
      groups: [EventOptions.self], options: ["ask"], page: "reference/events.md"),
    HelpTopic(
      name: "resume", summary: "continuing an interrupted run",
      explanation:
        "--resume continues a stopped or killed run with the options that it was started with.",
      options: ["resume", "force", "end-leftovers"], page: "reference/running.md"),
  ]
}
