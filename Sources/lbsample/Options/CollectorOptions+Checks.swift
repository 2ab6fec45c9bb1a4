import LinuxSystem
import SampleModel

/// Options that would change nothing are refused: the caller expects an effect.
extension CollectorOptions {
  /// Refuses an interval of a collector that is not among `chosen`, an order without --top, threads
  /// of nothing where there is no workload either, and CPUs that the host cannot have.
  func refuseIdle(
    _ settings: Settings, _ roots: MountRoots, known: [String], chosen: [String], isOfRun: Bool
  ) throws(LBError) {
    for name in known where !chosen.contains(name) {
      let option = CadenceOptions.option(name)
      if settings.origin(SettingsSchema.interval(of: name)) == "command line \(option)" {
        throw LBError(
          .configuration,
          "\(option) needs the collector \(name): add --\(name), or remove \(option)")
      }
    }
    if topBy != nil, top == nil {
      throw LBError(.configuration, "--top-by needs --top N")
    }
    if perThread, !isOfRun, !["tree", "process", "perf"].contains(where: chosen.contains) {
      throw LBError(.configuration, "--per-thread needs --tree, --process or --perf")
    }
    guard let cpus, let wanted = CPUSet(list: cpus),
      let list = SmallFile.text(roots.sys("devices/system/cpu/possible")),
      let possible = CPUSet(list: list)
    else { return }
    let unknown = wanted.members.filter { !possible.contains($0) }
    if let first = unknown.first {
      throw LBError(
        .configuration, "--cpus \(cpus): this host has no CPU \(first); its CPUs are \(list)")
    }
  }
}
