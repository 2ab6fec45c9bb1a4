package import LinuxSystem
package import SampleModel

extension ControlGroupScope {
  /// The control group of a run's workloads, which `setting` asks for. Throws `configuration` where
  /// it cannot be made.
  package convenience init(
    ofRun runID: String, _ roots: MountRoots, askedBy setting: String
  ) throws(LBError) {
    do throws(SystemError) {
      try self.init("lbsample-\(runID)", roots)
    } catch {
      throw LBError(
        .configuration,
        "\(setting): no control group can be made for the workload: \(error); run as root, or "
          + "under systemd-run --user --scope -p Delegate=yes",
        context: ErrorContext(path: error.path, errno: error.errno))
    }
  }
}
