package import LinuxSystem
package import SampleModel

/// Where sampling threads are pinned: `--pin CPU|LIST|node|auto`.
package enum Placement: Sendable, Hashable {
  /// The highest allowed CPU outside the workload's and the isolated ones.
  case automatic
  /// One thread on each of these CPUs.
  case cpus([Int])
  /// One thread on the highest allowed CPU of each NUMA node.
  case nodes

  /// Reads `auto`, `node` or a CPU list; nil for anything else.
  package init?(_ text: String) {
    switch text {
    case "auto": self = .automatic
    case "node": self = .nodes
    default:
      guard let set = CPUSet(list: text), !set.isEmpty else { return nil }
      self = .cpus(set.members)
    }
  }

  /// The CPUs of the sampling threads, in order.
  package func resolve(
    roots: MountRoots, allowed: CPUSet, workload: CPUSet?
  ) throws(LBError) -> [Int] {
    switch self {
    case .automatic:
      let isolated = HostFacts.isolatedCPUs(roots)
      let free = allowed.subtracting(isolated).subtracting(workload ?? CPUSet())
      guard let cpu = free.members.last ?? allowed.members.last else {
        throw LBError(.configuration, "--pin auto: no CPU is allowed to this process")
      }
      return [cpu]
    case .cpus(let cpus):
      for cpu in cpus where !allowed.contains(cpu) {
        throw LBError(
          .configuration,
          "--pin \(cpu): this process may run on CPUs \(allowed) only; name one of them")
      }
      return cpus
    case .nodes:
      let cpus = HostFacts.nodes(roots).compactMap { node in
        HostFacts.cpus(ofNode: node, roots)?.intersection(allowed).members.last
      }
      guard !cpus.isEmpty else {
        throw LBError(
          .configuration,
          "--pin node: no NUMA node of this host has an allowed CPU; use --pin auto")
      }
      return cpus
    }
  }
}
