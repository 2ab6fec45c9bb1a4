import Glibc
import LinuxSystem
import PerfEvents

extension PerfPlan {
  /// The attributes of an event in this scope.
  func attributes(_ event: PerfEvent, isLeader: Bool) -> PerfEventAttributes {
    var attributes = event.attributes
    if isLeader { attributes.flags.insert(.disabled) }
    if !isOfCPUs { attributes.flags.insert(.inherit) }
    if case .controlGroups = choice.scope { attributes.flags.insert(.controlGroup) }
    if isLeader, case .workload = choice.scope { attributes.flags.insert(.enableOnExec) }
    return attributes
  }

  /// Opens and closes an event; returns 0 or the errno.
  func attempt(_ event: PerfEvent, _ target: CountingTarget) -> Int32 {
    let descriptor = kernel.open(
      attributes(event, isLeader: true), process: target.task, cpu: target.cpu, leader: -1)
    guard descriptor >= 0 else { return -descriptor }
    kernel.close(descriptor)
    return 0
  }
}
