import Glibc
package import LinuxSystem
import SampleModel

/// The state of caller and host that, beside its settings, decides the results of a run.
package struct CellSurroundings: Sendable, Hashable {
  /// That of lbsample: another one may measure otherwise.
  package var version: String
  /// Facts of the host, `name=value`, without those that change by themselves: the number of the
  /// boot, and the sizes of the nodes' memory, which a hypervisor changes while the host runs.
  package var host: [String]
  /// Who runs it.
  package var user: UInt32
  /// From which relative paths are meant.
  package var directory: String
  /// Resource limits and the mask of new files' modes, which workloads inherit.
  package var limits: [String] = []
  /// Whether workloads have a control group of their own.
  package var hasScope: Bool

  /// Surroundings that are given.
  package init(
    version: String, host: [String], user: UInt32, directory: String, hasScope: Bool
  ) {
    self.version = version
    self.host = host
    self.user = user
    self.directory = directory
    self.hasScope = hasScope
  }

  /// Those of this process.
  package init(version: String, _ roots: MountRoots, hasScope: Bool) {
    let facts = HostFacts.read(roots).filter {
      $0.name != "boot_id" && !$0.name.hasSuffix("_memory")
    }
    self.init(
      version: version, host: facts.map { "\($0.name)=\($0.value)" }, user: geteuid(),
      directory: Directories.current, hasScope: hasScope)
    // The mark of a run's processes is one of the limits (ProcessMark).
    let lines = (SmallFile.text(roots.proc("self/limits")) ?? "").lines.map { String($0) }
    limits = lines.filter { !$0.hasPrefix("Max file locks") }
    let status = (SmallFile.text(roots.proc("self/status")) ?? "").lines.map { String($0) }
    limits += status.filter { $0.hasPrefix("Umask:") }
  }

  /// As parts of a key.
  package var parts: [CellKey.Part] {
    [
      CellKey.Part("version", [version]), CellKey.Part("host", host),
      CellKey.Part("limits", limits), CellKey.Part("caller", ["\(user)"]),
      CellKey.Part("scope", ["\(hasScope)"]),
    ]
  }
}
