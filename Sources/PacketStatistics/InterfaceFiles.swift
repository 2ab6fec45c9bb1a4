import LinuxSystem

/// Files of one network device (sysfs-class-net), read without allocating.
struct InterfaceFiles: ~Copyable {
  /// IFF_UP and other flags.
  let flags: NumberFile
  /// The number of carrier losses (Linux 4.16).
  let carrierLosses: NumberFile
  let dropped: NumberFile
  let missed: NumberFile

  /// The files of `interface`; none for `any`, which is no device.
  init(_ interface: String) {
    let folder = "/sys/class/net/\(interface)"
    flags = NumberFile("\(folder)/flags")
    carrierLosses = NumberFile("\(folder)/carrier_down_count")
    dropped = NumberFile("\(folder)/statistics/rx_dropped")
    missed = NumberFile("\(folder)/statistics/rx_missed_errors")
  }
}
