package import LinuxSystem

/// The letters after an event's colon (perf-list(1), EVENT MODIFIERS), with perf's meaning.
package enum EventModifiers {
  /// `attributes` with the modifiers `letters`. Without any, guests are excluded.
  package static func apply(
    _ letters: some StringProtocol, to attributes: inout PerfEventAttributes
  ) throws(EventError) {
    guard !letters.isEmpty else {
      attributes.flags.insert(.excludeGuest)
      return
    }
    let levels: PerfEventAttributes.Flags = [.excludeUser, .excludeKernel, .excludeHypervisor]
    let machines: PerfEventAttributes.Flags = [.excludeHost, .excludeGuest]
    var choosesLevels = false
    var choosesMachines = false
    for letter in letters {
      switch letter {
      case "u", "k", "h":
        if !choosesLevels { attributes.flags.formUnion(levels) }
        choosesLevels = true
        // perf excludes guests for user space only.
        if letter == "u", !choosesMachines { attributes.flags.insert(.excludeGuest) }
        attributes.flags.remove(
          letter == "u" ? .excludeUser : letter == "k" ? .excludeKernel : .excludeHypervisor)
      case "G", "H":
        if !choosesMachines { attributes.flags.formUnion(machines) }
        choosesMachines = true
        attributes.flags.remove(letter == "G" ? .excludeGuest : .excludeHost)
      case "I": attributes.flags.insert(.excludeIdle)
      case "D": attributes.flags.insert(.pinned)
      case "p":
        attributes.precision += 1
        if !choosesMachines { attributes.flags.insert(.excludeGuest) }
        guard attributes.precision <= 3 else {
          throw EventError(String(letters), "a precision has at most three p")
        }
      default:
        throw EventError(
          String(letters), "\(letter) is no modifier; there are u, k, h, G, H, I, D and p")
      }
    }
  }
}
