import Glibc
import SampleModel

/// One control group in every hierarchy that has it: the unified one (v2), and those of single
/// controllers (v1) where a host is hybrid.
package struct ControlGroup: Sendable, Hashable {
  /// Its name in results.
  package let name: String
  /// Its folder in the unified hierarchy.
  package let unified: String?
  /// Its folder in the hierarchy of each v1 controller.
  package let controllers: [String: String]

  /// Controllers that lbsample reads.
  private static let known = ["cpu", "cpuacct", "memory", "blkio", "pids", "perf_event"]

  /// Where the unified hierarchy and those of v1 controllers are mounted below the sys root.
  private static func mounts(_ roots: MountRoots) -> (
    unified: String?, controllers: [String: String]
  ) {
    let base = roots.sys("fs/cgroup")
    if exists("\(base)/cgroup.controllers") { return (base, [:]) }
    var controllers: [String: String] = [:]
    for name in known where exists("\(base)/\(name)/cgroup.procs") {
      controllers[name] = "\(base)/\(name)"
    }
    let unified = "\(base)/unified"
    return (exists("\(unified)/cgroup.controllers") ? unified : nil, controllers)
  }

  /// The group at `path`: below the hierarchies' roots, or the folder itself; nil if no hierarchy
  /// has it.
  package init?(_ path: String, _ roots: MountRoots) {
    let mounts = Self.mounts(roots)
    var relative = path
    for mount in [mounts.unified].compactMap({ $0 }) + mounts.controllers.values.sorted()
    where path == mount || path.begins(mount + "/") {
      relative = String(path.unicodeScalars.dropFirst(mount.unicodeScalars.count))
    }
    while relative.begins("/") { relative.unicodeScalars.removeFirst() }
    while relative.unicodeScalars.last == "/" { relative.unicodeScalars.removeLast() }
    let below: (String) -> String = { relative.isEmpty ? $0 : "\($0)/\(relative)" }
    // A path must not leave its hierarchy.
    guard !relative.parts("/").contains("..") else { return nil }
    unified = mounts.unified.map(below).flatMap { Self.exists("\($0)/cgroup.procs") ? $0 : nil }
    controllers = mounts.controllers.mapValues(below).filter { Self.exists("\($0.1)/cgroup.procs") }
    guard unified != nil || !controllers.isEmpty else { return nil }
    name = "/" + relative
  }

  /// Its folder in the hierarchy by which performance events know control groups.
  package var eventFolder: String? { controllers["perf_event"] ?? unified }

  fileprivate init(name: String, unified: String?, controllers: [String: String]) {
    self.name = name
    self.unified = unified
    self.controllers = controllers
  }

  /// The groups that this process is in, by hierarchy.
  fileprivate static func own(_ roots: MountRoots) -> ControlGroup {
    let mounts = mounts(roots)
    var unified: String?
    var controllers: [String: String] = [:]
    for line in (SmallFile.text(roots.proc("self/cgroup")) ?? "").parts("\n") {
      let parts = line.parts(":", most: 3, keepEmpty: true)
      guard parts.count == 3 else { continue }
      let path = parts[2] == "/" ? "" : String(parts[2])
      // A group above the namespace's root is not visible.
      guard !path.parts("/").contains("..") else { continue }
      if parts[1].isEmpty {
        unified = mounts.unified.map { $0 + path }
      } else {
        for name in parts[1].split(separator: ",").map(String.init) {
          if let mount = mounts.controllers[name] { controllers[name] = mount + path }
        }
      }
    }
    return ControlGroup(
      name: "own", unified: unified.flatMap { exists($0) ? $0 : nil },
      controllers: controllers.filter { exists($0.1) })
  }

  fileprivate static func exists(_ path: String) -> Bool {
    unsafe access(path.osCString, F_OK) == 0
  }
}

/// A control group for one run's workload, below that of this process, so that its limits still
/// apply. Removed by its deinitialiser.
package final class ControlGroupScope: Sendable {
  package let group: ControlGroup

  /// Makes the group `name` in the unified hierarchy and, on a hybrid host, in those of the v1
  /// controllers that permit it.
  package init(_ name: String, _ roots: MountRoots) throws(SystemError) {
    let own = ControlGroup.own(roots)
    guard let unified = own.unified else {
      throw SystemError(
        "looking for a unified control group", errno: ENOENT, path: roots.sys("fs/cgroup"))
    }
    let folder = "\(unified)/\(name)"
    guard unsafe mkdir(folder.osCString, 0o755) == 0 else {
      throw SystemError("mkdir", errno: errno, path: folder)
    }
    var controllers: [String: String] = [:]
    for (controller, above) in own.controllers {
      let folder = "\(above)/\(name)"
      if unsafe mkdir(folder.osCString, 0o755) == 0 || errno == EEXIST {
        controllers[controller] = folder
      }
    }
    group = ControlGroup(name: "scope", unified: folder, controllers: controllers)
  }

  deinit { remove() }

  /// Why no group can be made below that of this process, nil if one can; makes none.
  package static func refusal(_ roots: MountRoots) -> String? {
    guard let unified = ControlGroup.own(roots).unified else {
      return "no unified control group at \(roots.sys("fs/cgroup"))"
    }
    guard unsafe access(unified.osCString, W_OK) == 0 else {
      return "\(unified): \(SystemError.words(errno))"
    }
    return nil
  }

  /// Moves a process into the group.
  package func add(_ pid: Int32) throws(SystemError) {
    for folder in [group.unified].compactMap({ $0 }) + group.controllers.values.sorted() {
      try Self.write("\(pid)", to: "\(folder)/cgroup.procs")
    }
  }

  /// Whether a process is in it.
  package var isPopulated: Bool {
    guard let unified = group.unified, let text = SmallFile.text("\(unified)/cgroup.events") else {
      return false
    }
    return text.split(separator: "\n").contains("populated 1")
  }

  /// Kills everything in it (cgroup.kill, Linux 5.14; else one by one) and waits until it is empty
  /// or `limit` (CLOCK_MONOTONIC) has passed; returns the number of processes.
  package func kill(until limit: UInt64) -> Int {
    guard let unified = group.unified else { return 0 }
    let processes = Self.processes(SmallFile.text("\(unified)/cgroup.procs") ?? "")
    do throws(SystemError) {
      try Self.write("1", to: "\(unified)/cgroup.kill")
    } catch {
      for process in processes { Glibc.kill(process, SIGKILL) }
    }
    while isPopulated, Clock.monotonic() < limit {
      _ = Poll.wait(readable: [], until: Clock.monotonic() + 1_000_000)
    }
    return processes.count
  }

  /// The processes in a text of cgroup.procs, without 0: a process of another PID namespace, but
  /// for kill(2) the caller's own group.
  static func processes(_ text: String) -> [Int32] {
    text.split(separator: "\n").compactMap { Int32($0) }.filter { $0 > 0 }
  }

  /// Removes the empty group. Reaped zombies leave it with a short delay.
  private func remove() {
    for folder in [group.unified].compactMap({ $0 }) + Array(Set(group.controllers.values)) {
      for _ in 0..<100 {
        if unsafe rmdir(folder.osCString) == 0 || errno != EBUSY { break }
        _ = Poll.wait(readable: [], until: Clock.monotonic() + 1_000_000)
      }
    }
  }

  private static func write(_ text: String, to path: String) throws(SystemError) {
    let file = try OwnedDescriptor(open: path, O_WRONLY)
    let bytes = Array(text.utf8)
    // Safe: the array's own count bounds the call.
    guard unsafe Glibc.write(file.number, bytes, bytes.count) == bytes.count else {
      throw SystemError("write", errno: errno, path: path)
    }
  }
}
