extension PhaseRegistry {
  /// The kinds of lbsample.
  package static let standard = PhaseRegistry([
    CommandPhase(), ParallelPhase(), RepeatPhase(), WhenPhase(), IncludePhase(),
    BackgroundPhase(), ApprovePhase(),
    WorkloadPhase(adapters),
  ])

  /// The benchmark tools whose reports lbsample can read.
  static let adapters: [any WorkloadAdapter] = [
    StressNgAdapter(), FioAdapter(), IperfAdapter(),
  ]
}
