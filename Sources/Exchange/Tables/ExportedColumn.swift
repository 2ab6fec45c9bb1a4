import SampleModel

extension Column {
  /// The facts about it that files of columns say: the part `cpu` of an instance is `label.cpu`.
  func facts(in collector: String) -> [(name: String, value: String)] {
    var facts = [
      ("unit", metric.unit.rawValue), ("kind", metric.kind.rawValue),
      ("metric", "\(name.prefix { $0 != "[" })"), ("meaning", metric.meaning),
    ]
    if !instance.isEmpty { facts.append(("instance", instance)) }
    for label in InstanceLabels.of(self, in: collector) {
      facts.append(("label.\(label.name)", label.value))
    }
    return facts.map { (name: $0.0, value: OSText.written($0.1)) }
  }
}
