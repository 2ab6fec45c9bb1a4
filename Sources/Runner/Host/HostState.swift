package import LinuxSystem
import SampleModel

/// The state of a host, as far as it affects measurements.
package struct HostState: Sendable, Hashable {
  /// Processes that ran or were runnable, averaged over the last minute (proc(5), loadavg).
  package var load: Double?
  /// CPUs that are online.
  package var cpus: Int?
  /// The clock source behind CLOCK_MONOTONIC.
  package var clockSource: String?
  /// Frequency governors in force.
  package var governors: Set<String> = []
  /// The lowest frequency limit of a CPU, as a share of its highest frequency.
  package var frequencyLimit: Double?
  /// Thermal zones at a temperature at which the kernel throttles: a message for each.
  package var hotZones: [String] = []
  /// Nanoseconds for which the host was observed; 0 when its state was only read.
  package var watched: UInt64 = 0
  /// CPU time that other processes used in that time, as a share of one CPU.
  package var foreignCPU: Double?
  /// Time that a hypervisor took in that time, as a share of all CPUs.
  package var steal: Double?
  /// Whether a CPU was throttled for its heat in that time.
  package var wasThrottled = false

  /// Nothing is known.
  package init() {}

  /// Reads the state and the thermal zones, then observes the host for `window` nanoseconds or
  /// until a stop request: /proc/stat and thermal_throttle are read twice.
  static func watch(_ services: RunServices, for window: UInt64) -> HostState {
    var state = read(services.roots)
    state.hotZones = hotZones(services.roots)
    guard window > 0, let cpus = state.cpus, let before = HostLoad.ticks(services.roots) else {
      return state
    }
    let throttled = throttleCount(services.roots)
    let began = services.clock.monotonic()
    guard !services.pause(window), let now = HostLoad.ticks(services.roots),
      now.total > before.total
    else { return state }
    state.watched = services.clock.monotonic() - began
    let total = Double(now.total - before.total)
    let stolen = now.stolen.growth(since: before.stolen)
    let busy = now.busy.growth(since: before.busy)
    state.steal = Double(stolen) / total
    state.foreignCPU = Double(busy.growth(since: stolen)) / total * Double(cpus)
    state.wasThrottled = throttleCount(services.roots) > throttled
    return state
  }

  private static func onlineCPUs(_ roots: MountRoots) -> [Int]? {
    SmallFile.text(roots.sys("devices/system/cpu/online")).flatMap { CPUSet(list: $0) }?.members
  }

  private static func throttleCount(_ roots: MountRoots) -> UInt64 {
    (onlineCPUs(roots) ?? []).reduce(0) { sum, cpu in
      let folder = "devices/system/cpu/cpu\(cpu)/thermal_throttle"
      return ["core", "package"].reduce(sum) {
        $0
          &+ (SmallFile.text(roots.sys("\(folder)/\($1)_throttle_count")).flatMap(UInt64.init) ?? 0)
      }
    }
  }

  /// Zones at or above the lowest of their passive, hot and critical trip points (sysfs-api.txt of
  /// the kernel's thermal documentation; millidegrees Celsius).
  private static func hotZones(_ roots: MountRoots) -> [String] {
    directoryEntries(roots.sys("class/thermal")).sorted().compactMap { entry in
      guard entry.hasPrefix("thermal_zone") else { return nil }
      func text(_ name: String) -> String? {
        SmallFile.text(roots.sys("class/thermal/\(entry)/\(name)"))
      }
      var trips: [Int] = []
      while let kind = text("trip_point_\(trips.count)_type") {
        let limit = text("trip_point_\(trips.count)_temp").flatMap { Int($0) } ?? 0
        // Zero and below stand for a trip point that is not in use; an active one starts a fan.
        trips.append(limit > 0 && ["passive", "hot", "critical"].contains(kind) ? limit : .max)
      }
      guard let trip = trips.min(), let now = text("temp").flatMap({ Int($0) }), now >= trip else {
        return nil
      }
      return "\(text("type") ?? entry) is at \(now / 1000) °C, \(trip / 1000) °C is its limit"
    }
  }

  /// Reads /proc/loadavg, and below /sys/devices/system cpu/online, cpufreq and clocksource.
  package static func read(_ roots: MountRoots) -> HostState {
    var state = HostState()
    state.load = SmallFile.text(roots.proc("loadavg"))?.split(separator: " ").first
      .flatMap { Double($0) }
    let online = onlineCPUs(roots)
    state.cpus = online?.count
    state.clockSource = SmallFile.text(
      roots.sys("devices/system/clocksource/clocksource0/current_clocksource"))
    for cpu in online ?? [] {
      let folder = roots.sys("devices/system/cpu/cpu\(cpu)/cpufreq")
      if let governor = SmallFile.text("\(folder)/scaling_governor") {
        state.governors.insert(governor)
      }
      if let limit = SmallFile.text("\(folder)/scaling_max_freq").flatMap({ Double($0) }),
        let most = SmallFile.text("\(folder)/cpuinfo_max_freq").flatMap({ Double($0) }), most > 0
      {
        state.frequencyLimit = min(state.frequencyLimit ?? 1, limit / most)
      }
    }
    return state
  }
}
