/// CPU times of the host since boot.
package enum HostLoad {
  /// Ticks of the first line of /proc/stat: busy, those of them stolen by a hypervisor, and all;
  /// nil if it cannot be read or parsed.
  package static func ticks(
    _ roots: MountRoots
  ) -> (busy: UInt64, stolen: UInt64, total: UInt64)? {
    guard let line = SmallFile.text(roots.proc("stat"))?.split(separator: "\n").first else {
      return nil
    }
    let words = line.split(separator: " ")
    guard words.first == "cpu" else { return nil }
    // user nice system idle iowait irq softirq steal; guest time is within user time.
    var ticks: [UInt64] = []
    var total: UInt64 = 0
    for word in words.dropFirst().prefix(8) {
      guard let number = UInt64(word) else { return nil }
      let (sum, isTooLarge) = total.addingReportingOverflow(number)
      if isTooLarge { return nil }
      total = sum
      ticks.append(number)
    }
    guard ticks.count >= 4 else { return nil }
    let idle = ticks[3] + (ticks.count > 4 ? ticks[4] : 0)
    return (total - idle, ticks.count > 7 ? ticks[7] : 0, total)
  }
}

extension Descendants {
  /// CPU time of a process, its descendants, and the children that they reaped, in ticks.
  package static func cpuTicks(of process: Int32) -> UInt64 {
    guard let text = SmallFile.text("/proc/\(process)/stat"),
      let close = text.lastIndex(of: ")")
    else { return 0 }
    // After the name: state is field 3; utime, stime, cutime and cstime are 14 to 17.
    let fields = text[text.index(after: close)...].split(separator: " ")
    let own = fields.dropFirst(11).prefix(4).compactMap { UInt64($0) }.reduce(0, &+)
    return children(of: "\(process)").reduce(own) { $0 &+ cpuTicks(of: $1) }
  }
}
