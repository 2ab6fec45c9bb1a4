import SampleModel

/// The labels of a layout's columns, and which of them become series.
///
/// A query that sums over a family must not count anything twice. So a sum over instances is a
/// series only where its parts are none, and has no label then.
enum SeriesLabels {
  /// The columns that become series, by index, with the text between their braces.
  static func of(_ layout: Layout) -> [(index: Int, labels: String)] {
    let parts = layout.columns.map { labels($0, layout.collector) }
    /// By metric, the labels of its columns that are no sums.
    var names: [String: Set<[String]>] = [:]
    for (column, labels) in zip(layout.columns, parts) where !isTotal(column, layout.collector) {
      names[column.metric.name, default: []].insert(labels.map(\.name))
    }
    return layout.columns.indices.compactMap { index in
      let column = layout.columns[index]
      guard isTotal(column, layout.collector) else {
        let own = parts[index].map(\.name)
        let others = names[column.metric.name] ?? []
        // CPUs beside nodes, and nodes beside pages of all nodes: the finer ones are kept.
        let isSumOfOthers =
          layout.collector == "cpu" && own == ["node"] && others.contains(["cpu"])
          || layout.collector == "hugepages" && own.count == 1 && others.contains { $0.count > 1 }
        return isSumOfOthers ? nil : (index, ExpositionWriter.labels(parts[index]))
      }
      return names[column.metric.name] == nil ? (index, "") : nil
    }
  }

  /// Whether a column is the host's, or the sum over CPUs. A device may be called `all` too.
  private static func isTotal(_ column: Column, _ collector: String) -> Bool {
    column.instance.isEmpty
      || column.instance == "all" && (column.isSum || ["cpu", "perf"].contains(collector))
  }

  private static func labels(
    _ column: Column, _ collector: String
  ) -> [(name: String, value: String)] {
    // An event's counts are of a CPU, a control group or a process, its times of an event.
    if column.times != nil, !column.instance.isEmpty {
      return [(name: "target", value: column.instance)]
    }
    return InstanceLabels.of(column, in: collector).map {
      (name: FamilyNames.label($0.name), value: $0.value)
    }
  }
}
