extension PhaseRegistry {
  /// The kinds that lbsample knows itself.
  package static let standard = PhaseRegistry([
    CommandPhase(), ParallelPhase(), RepeatPhase(), WhenPhase(), IncludePhase(),
    BackgroundPhase(), ApprovePhase(),
    WorkloadPhase([StressNgAdapter(), FioAdapter(), IperfAdapter()]),
  ])
}
