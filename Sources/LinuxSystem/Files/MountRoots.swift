/// The mount points of the kernel's trees: always passed as arguments, never assumed.
package struct MountRoots: Sendable, Hashable {
  package let proc: String
  package let sys: String

  /// The trees at `proc` and `sys`; trailing slashes do not matter.
  package init(proc: String = "/proc", sys: String = "/sys") {
    self.proc = Self.plain(proc)
    self.sys = Self.plain(sys)
  }

  /// `relative` below the proc root.
  package func proc(_ relative: String) -> String { proc + "/" + relative }
  /// `relative` below the sys root.
  package func sys(_ relative: String) -> String { sys + "/" + relative }

  /// Whether this is this process's own /proc.
  package var isOwnProc: Bool { proc == "/proc" }

  private static func plain(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }
}
