import SampleModel

/// The settings of runs. A new one is added here, and to its group of options.
extension Setting {
  /// All of them, in the order of the reference.
  package static let ofRuns: [Setting] = inFiles + ofGates + ofEachRun

  /// Nanoseconds: the shortest time between two samples.
  package static let shortestInterval: UInt64 = 10_000
  private static let most = 1_000_000

  /// Those that collectors.conf has in `[run]`.
  private static let inFiles: [Setting] = [
    Setting(
      "run.interval", .duration(minimum: shortestInterval), "100ms",
      "Time between two samples of lbsample run and lbsample arm."
    )
    .option("interval", short: "i", "time"),
    Setting("run.repetitions", .integer(1...most), "1", "Counted repetitions.")
      .option("repetitions", short: "r", "n").plan("repetitions", ofRepetitions: true)
      .sets(.count(\.repetitions)),
    Setting(
      "run.warmup", .integer(0...most), "0", "Warm-up repetitions, which do not count."
    )
    .option("warmup", short: "w", "n").plan("warmup", ofRepetitions: true)
    .sets(.count(\.warmUps)),
    Setting("run.cooldown", .duration(minimum: 0), "0s", "Pause between two repetitions.")
      .option("cooldown", "time").plan("cooldown", ofRepetitions: true).sets(.time(\.cooldown)),
    Setting(
      "run.settle", .duration(minimum: 0), "0s",
      "Pause between the preparation of an attempt and its start."
    )
    .option("settle", "time").plan("settle", ofRepetitions: true).sets(.time(\.settle)),
    Setting(
      "run.timeout", .duration(minimum: 0), "0s",
      "End a repetition that takes longer than this; 0s: no limit."
    )
    .option("timeout", "time").plan("timeout", ofRepetitions: true).sets(.limit(\.timeout)),
    Setting(
      "run.idle_timeout",
      .limit(
        minimum: ActivityWatch.shortestLimit,
        reason: "since the kernel's CPU times move in steps of 10 ms"), "0s",
      "End a repetition whose workload writes no output and uses no CPU time for this long (at "
        + "least 100ms); 0s: no limit."
    )
    .option("idle-timeout", "time").plan("idle_timeout", ofRepetitions: true)
    .sets(.limit(\.idleTimeout)),
    Setting(
      "run.cooldown_until_idle", .duration(minimum: 0), "0s",
      "Wait before each repetition until the host is quiet (gates.quiet), at most this long; 0s: "
        + "no wait."
    )
    .option("cooldown-until-idle", "time").plan("cooldown_until_idle", ofRepetitions: true)
    .sets(.time(\.quietLimit)),
    Setting(
      "run.grace", .duration(minimum: 0), "30s",
      "Time between SIGTERM and SIGKILL when a workload is ended."
    )
    .option("grace", "time").plan("grace").sets(.time(\.grace)),
    Setting(
      "run.retries", .integer(0...1000), "0",
      "Retries of a repetition that failed; needs --idempotent."
    )
    .option("retries", "n").plan("retries", ofRepetitions: true).sets(.count(\.attempts.retries)),
    Setting(
      "run.idle_retries", .optionalInteger(0...1000), "",
      "Retries of a repetition that --idle-timeout ended; needs --idempotent. Empty: as many as "
        + "--retries, and counted with them."
    )
    .option("idle-retries", "n").plan("idle_retries", ofRepetitions: true)
    .sets(.optionalCount(\.attempts.idleRetries)),
    Setting(
      "run.backoff", .durations, "0s,5s,15s",
      "Pauses before the first, the second, … retry; the last one holds for all further retries."
    )
    .sets(.other { $1.attempts.backoff = SettingType.parts($0).compactMap(Durations.parse) }),
    Setting(
      "run.max_attempts", .integer(1...1000), "10",
      "Limit of attempts at one repetition: the first, retries and repeats together."
    )
    .option("max-attempts", "n").sets(.count(\.attempts.maximum)),
    Setting(
      "run.max_repetitions", .integer(1...most), "100", "Limit of repetitions with --until."
    )
    .option("max-repetitions", "n").plan("max_repetitions", ofRepetitions: true)
    .sets(.count(\.maximumRepetitions)),
    Setting(
      "run.output_limit", .integer(0...1 << 30), "1048576",
      "Bytes of the workload's output that are kept of each attempt."
    )
    .sets(.count(\.outputLimit)),
    Setting(
      "run.workload_output",
      .form(expected: "keep, null or a file") { WorkloadOutput($0) != nil }, "keep",
      "Destination of the workload's standard output: keep (in the result), null or a file. "
        + "Standard error is always kept."
    )
    .option("workload-output", "where").plan("workload_output")
    .sets(.other { text, run in WorkloadOutput(text).map { run.output = $0 } }),
    Setting(
      "run.mask", .text,
      "*SECRET*,*TOKEN*,*PASSWORD*,*PASSWD*,*PASSPHRASE*,*CREDENTIAL*,*APIKEY*,*API_KEY*,"
        + "*ACCESS_KEY*,*PRIVATE_KEY*",
      "Names of variables (shell patterns, regardless of case) whose values of --env and env are "
        + "not kept in results."),
    Setting(
      "run.runs_dir", .text, "",
      "Directory of result files; empty: $XDG_DATA_HOME/lbsample/runs."
    )
    .option("runs-dir", "dir"),
  ]

  /// Those that only an option or a plan sets: they are of one workload or one run.
  private static let ofEachRun: [Setting] = [
    Setting(
      "attempts.idempotent", .boolean, "false",
      "Allow the workload to be executed again: after a failure (--retries), and if a gate found "
        + "that a repetition was disturbed ([gates] in collectors.conf)."
    )
    .option("idempotent").plan("idempotent", ofRepetitions: true)
    .sets(.flag(\.attempts.isIdempotent)),
    Setting(
      "attempts.until",
      .form(expected: "ci<=1% or ci(METRIC)<=1%") { Precision($0) != nil }, "",
      "Add repetitions until the 95 % confidence interval of the median wall time, or of another "
        + "metric, is at most this wide, relative to the median."
    )
    .option("until", "ci<=1%").plan("until", ofRepetitions: true)
    .sets(.other { $1.until = Precision($0) }),
    Setting(
      "attempts.ask", .duration(minimum: 1), "",
      "If a phase that later phases may need (a server) fails, wait at most this long for lbsample "
        + "approve, or yes at the terminal, which continues the run without the phase (default: "
        + "the run ends)."
    )
    .option("ask", "time").sets(.limit(\.askLimit)),
    Setting(
      "workload.ignore_failure",
      .form(expected: "all, or exit codes such as 1,2") { IgnoredFailures($0) != nil }, "",
      "Accept every exit code and signal, or only these exit codes: --ignore-failure=1,2 (128 + n "
        + "for signal n)."
    )
    .option("ignore-failure", "codes", bare: "all").plan("ignore_failure")
    .sets(.other { text, run in IgnoredFailures(text).map { run.ignoredFailures = $0 } }),
    Setting(
      "output.metric_missing", .choice(["fail", "note"]), "fail",
      "If the output lacks a number of --metric or --metric-json: fail the repetition (fail) or "
        + "warn (note)."
    )
    .option("metric-missing", "what").plan("metric_missing", ofRepetitions: true)
    .sets(.other { $1.requiresMetrics = $0 == "fail" }),
    Setting(
      "workload.workspace", .text, "",
      "Make a new working directory for each attempt: empty, a copy of a directory, or a clone of "
        + "a git repository."
    )
    .option("workspace", "empty|dir|git:repo[@rev]").plan("workspace")
    .sets(.other { $1.workspace = WorkspacePlan($0) }),
    Setting(
      "workload.keep", .choice(WorkspacePlan.Keep.allCases.map(\.rawValue)), "failure",
      "Keep workspaces: always, failure (those of failed attempts) or never."
    )
    .option("keep", "when").plan("keep")
    .sets(.other { text, run in WorkspacePlan.Keep(rawValue: text).map { run.keep = $0 } }),
    Setting(
      "workload.keep_limit", .integer(0...(.max)), "1073741824",
      "Largest workspace that is kept, in bytes."
    )
    .option("keep-limit", "n").plan("keep_limit").sets(.size(\.keepLimit)),
    Setting(
      "plan.reuse", .form(expected: ReuseAge.expectation) { ReuseAge.read($0) != nil }, "",
      "Take the results of a phase from the newest stored run that measured it with the same "
        + "command, environment, executable, --depends files, settings and host, instead of "
        + "measuring it again: --reuse or --reuse=any (of any age), --reuse=24h (results that are "
        + "no older) or --reuse=never (measure all). What is not known to be the same is "
        + "measured."
    )
    .option("reuse", "age", bare: "any").plan("reuse", ofRepetitions: true)
    .sets(.other { text, run in ReuseAge.read(text).map { run.reuse = $0 } }),
    Setting("workload.cpus", .text, "", "CPUs that the workload may use.")
      .option("workload-cpus", "list").plan("cpus"),
    Setting("workload.directory", .text, "", "Working directory of the workload.")
      .option("chdir", "dir").plan("directory"),
    Setting(
      "workload.input", .text, "",
      "Standard input of the workload: a file, or inherit (default: /dev/null)."
    )
    .option("input", "file").plan("input"),
    hook(.setup, "A shell command to run once, before the first repetition."),
    hook(.prepare, "A shell command to run before each repetition, outside its bracket."),
    hook(.conclude, "A shell command to run after each repetition, outside its bracket."),
    hook(
      .cleanup, "A shell command to run once, after the last repetition, also after a failure."),
    Setting(
      "quota.wall", .duration(minimum: 1), "",
      "Limit of the run's wall time: begin no repetition that would exceed it, estimated from the "
        + "repetitions before."
    )
    .option("max-wall", "time").sets(.limit(\.quota.wall)),
    Setting(
      "quota.own_cpu", .duration(minimum: 1), "", "Limit of the CPU time of lbsample itself."
    )
    .option("max-own-cpu", "time").sets(.limit(\.quota.ownCPU)),
    quota("bytes", "Limit of the samples and output that the run keeps, in bytes.")
      .option("max-bytes", "n").sets(.optionalSize(\.quota.bytes)),
    quota("ring_memory", "Limit of the memory of all rings of samples together, in bytes.")
      .option("max-ring-memory", "n").sets(.optionalSize(\.quota.ringBytes)),
    quota("retries", "Limit of retries and repeats in the whole run.")
      .option("max-retries", "n").sets(.optionalSize(\.quota.retries)),
  ].map(\.ofOneRun)

  private static func quota(_ name: String, _ meaning: String) -> Setting {
    Setting("quota.\(name)", .integer(0...(.max)), "", meaning)
  }

  private static func hook(_ hook: Hook, _ meaning: String) -> Setting {
    Setting("workload.\(hook.rawValue)", .text, "", meaning)
      .option(hook.rawValue, "command").plan(hook.rawValue, ofRepetitions: true)
      .sets(.other { $1.hooks[hook] = $0 })
  }
}
