/// The gate that a reason of contamination is of, for marks where there is no room for the reason.
package enum GateNames {
  private static let marks: [(gate: String, mark: String)] = [
    ("deadlines", "of the deadlines were skipped"), ("drops", "dropped since the ring"),
    ("running", "perf.running["), ("packets", "packets.dropped_socket["),
    ("own_cost", "lbsample used "), ("steal", "the hypervisor took "),
    ("foreign_cpu", "other processes used "), ("throttling", "throttle_count"),
    // As earlier versions wrote it.
    ("foreign_cpu", "others used "),
  ]

  /// The gate's name; `disturbed` for a reason of a program or another version.
  package static func gate(of reason: String) -> String {
    marks.first { reason.contains($0.mark) }?.gate ?? "disturbed"
  }

  /// The gates of several reasons, each once.
  package static func gates(of reasons: [String]) -> String {
    var names: [String] = []
    for reason in reasons where !names.contains(gate(of: reason)) {
      names.append(gate(of: reason))
    }
    return names.joined(separator: ", ")
  }
}
