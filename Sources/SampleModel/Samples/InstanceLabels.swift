/// An instance as named parts, for formats that have labels: `node0.DMA` of `zones` is a `node` and
/// a `zone`.
package enum InstanceLabels {
  /// A part of an instance.
  package struct Label: Sendable, Equatable {
    package let name: String
    package let value: String
  }

  /// What an instance of a collector is, where it is one part. In others it is the name before `:`.
  private static let names: [String: String] = [
    "cpu": "cpu", "softnet": "cpu", "scheduler": "cpu", "conntrack": "cpu", "frequency": "cpu",
    "net": "interface", "packets": "interface", "links": "interface", "disk": "device",
    "md": "device", "numa": "node", "interrupts": "irq", "softirqs": "cpu",
    "filesystems": "mountpoint", "slab": "cache", "cgroup": "cgroup", "temperature": "sensor",
    "power": "zone", "process": "pid", "hugepages": "pagesize", "zones": "node",
    "perf": "event", "tree": "process", "edac": "controller", "nfs": "mountpoint",
  ]

  /// The labels of a column of `collector`, which may be one of several (`tree[server]`); none of a
  /// value of the host. A sum over instances has the label with the value `all`.
  package static func of(_ column: Column, in collector: String) -> [Label] {
    let instance = column.instance
    guard !instance.isEmpty else { return [] }
    let base = String(collector.prefix { $0 != "[" })
    let name = names[base] ?? "instance"
    func parts(_ separator: Character, _ second: String) -> [Label] {
      guard let position = instance.firstIndex(of: separator) else {
        return [Label(name: name, value: instance)]
      }
      return [
        Label(name: name, value: String(instance[..<position])),
        Label(name: second, value: String(instance[instance.index(after: position)...])),
      ]
    }
    switch base {
    case "interrupts": return parts(":", "device")
    case "packets": return parts(":", "range")
    case "hugepages": return parts("@", "node").map(withoutNode)
    case "zones": return parts(".", "zone").map(withoutNode)
    case "scheduler": return parts(".", "domain")
    case "numa": return [withoutNode(Label(name: name, value: instance))]
    case "cpu" where instance.hasPrefix("node"):
      return [withoutNode(Label(name: "node", value: instance))]
    default: return [Label(name: name, value: instance)]
    }
  }

  /// `node0` is the node `0`.
  private static func withoutNode(_ label: Label) -> Label {
    guard label.name == "node", label.value.hasPrefix("node") else { return label }
    return Label(name: label.name, value: String(label.value.dropFirst(4)))
  }
}
