import LinuxSystem
import RunStore
import SampleModel

/// Removes stored runs, restores the settings of the host that they changed, and ends the processes
/// that they left running.
struct RunRemoval {
  let directory: RunDirectory
  let roots: MountRoots
  /// Whether to remove also runs of other users, runs whose host settings cannot be restored, and
  /// runs that left processes.
  let force: Bool
  /// Whether processes that a killed run left running are ended first.
  let endsLeftovers: Bool
  let isQuiet: Bool
  /// Files that are gone, or of which a part may be.
  private(set) var touched: [String] = []

  init(
    _ directory: RunDirectory, _ roots: MountRoots, _ options: RemovalOptions, isQuiet: Bool
  ) {
    self.directory = directory
    self.roots = roots
    force = options.force
    endsLeftovers = options.endsLeftovers
    self.isQuiet = isQuiet
  }

  /// Removes the run in the file at `path`.
  mutating func remove(_ path: String) throws(LBError) {
    try RunsLocation.checkOwner(path, force: force, "it is left alone")
    for line in try RunEnvironmentOptions.recoverHost(ofRun: path, roots, isRequired: !force) {
      Console.say("lbsample: \(line)")
    }
    if let note = try settleLeftovers(path), !isQuiet { Console.say("lbsample: \(note)") }
    // Part of it may be gone though all of it could not be removed.
    touched.append(path)
    try directory.remove(path)
    if !isQuiet { Console.say("removed \(path)") }
  }

  /// Why the run in the file at `path` would not be removed because of processes that the run left;
  /// nil where it would be. Changes nothing.
  func hindrance(of path: String) -> LBError? {
    guard !force, !endsLeftovers, let origin = origin(path) else { return nil }
    return Leftovers.hindrance(of: origin, clock: TimeSource.system, roots)
  }

  private func origin(_ path: String) -> Leftovers.Origin? {
    do throws(LBError) {
      let reader = try RunReader(path: path)
      defer { reader.close() }
      return try reader.isBeingRecorded() ? nil : try Leftovers.Origin(reader)
    } catch {
      // Nothing is known of the run. Whether its file can be removed is for the removal to say.
      return nil
    }
  }

  /// Handles the processes that a killed run left running: without its file they cannot be found.
  private func settleLeftovers(_ path: String) throws(LBError) -> String? {
    guard let origin = origin(path) else { return nil }
    return try Leftovers.settle(
      origin, for: .removal, isWanted: endsLeftovers, force: force, clock: TimeSource.system, roots)
  }
}
