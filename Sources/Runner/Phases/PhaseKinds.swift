extension PhaseRegistry {
  /// The kinds that lbsample knows itself.
  package static let standard = PhaseRegistry([
    CommandPhase(), ParallelPhase(), RepeatPhase(), WhenPhase(), IncludePhase(),
    BackgroundPhase(), ApprovePhase(),
    WorkloadPhase(adapters),
  ])

  /// The benchmark tools that lbsample knows itself.
  static let adapters: [any WorkloadAdapter] = [
    StressNgAdapter(), FioAdapter(), IperfAdapter(),
  ]
}
