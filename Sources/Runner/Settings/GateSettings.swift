import SampleModel

/// The settings of gates: `[gates]` in collectors.conf.
extension Setting {
  static let ofGates: [Setting] = [
    Setting(
      "gates.host", .choice(["note", "block", "off"]), "note",
      "What to do if the host is not fit for measuring before a run (load, others' CPU time, "
        + "steal, heat, throttling, frequency, clock source): note (a warning), block (the run "
        + "ends with exit code 6 before it begins) or off."
    )
    .sets(.other { $1.host.severity = GateFinding.Severity(rawValue: $0) }),
    Setting(
      "gates.host_window", .duration(minimum: 0), "200ms",
      "Time for which the host is watched before a run; 0s: its state is read once."
    )
    .sets(.time(\.host.window)),
    Setting(
      "gates.noted", .words(RepetitionGates.names.sorted()), "",
      "Gates that only add a note to a repetition and do not contaminate it, such as "
        + "\"steal,foreign_cpu\"."
    )
    .sets(.other { $1.gates.noted = Set(SettingType.parts($0)) }),
    share("skipped", "10%", "Limit of skipped deadlines, as a share of all deadlines.")
      .sets(.share(\.gates.skipped)),
    share("running", "", "Least share of its time for which each event must be counted.")
      .sets(.share(\.gates.running)),
    Setting(
      "gates.own_cost", .cpuShare, "5%",
      "Limit of lbsample's own CPU time while the workload runs, as a share of one CPU."
    )
    .sets(.other { $1.gates.ownCost = Share.parse($0, most: Share.mostCPUs) }),
    Setting(
      "gates.foreign_cpu", .cpuShare, "10%",
      "Limit of the CPU time of other processes on the workload's CPUs, as a share of one CPU "
        + "(150%: one and a half CPUs)."
    )
    .sets(
      .other {
        $1.gates.foreignCPU = Share.parse($0, most: Share.mostCPUs)
        $1.host.foreignCPU = $1.gates.foreignCPU
      }),
    share("steal", "2%", "Limit of the share of time that the hypervisor took.")
      .sets(
        .other {
          $1.gates.steal = Share.parse($0)
          $1.host.steal = $1.gates.steal
        }),
    share(
      "packet_drops", "1%",
      "Limit of the packets that a capture lost, as a share of all that passed its filter."
    )
    .sets(.share(\.gates.packetDrops)),
    Setting(
      "gates.throttling", .boolean, "true", "Whether thermal throttling contaminates."
    )
    .sets(.flag(\.gates.throttling)),
    share(
      "quiet", "5%",
      "A host is quiet if its CPUs are busy for at most this share (run.cooldown_until_idle)."
    )
    .sets(.other { $1.quietShare = Share.parse($0) ?? 1 }),
    Setting(
      "gates.repeats", .integer(0...1000), "3",
      "Repeats of a contaminated repetition, with --idempotent."
    )
    .sets(.count(\.attempts.contaminatedRepeats)),
  ]

  private static func share(_ gate: String, _ standard: String, _ meaning: String) -> Setting {
    Setting("gates.\(gate)", .share, standard, meaning)
  }
}
