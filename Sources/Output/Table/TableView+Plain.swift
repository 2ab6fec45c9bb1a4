import SampleModel

/// Columns of what the table has no choice of columns for.
extension TableView {
  /// As many of a collector as a glance takes in.
  private static let glance = 12

  /// The first of a collector's columns, those that have counted something before the others.
  static func someOf(
    _ layout: Layout, idle: Set<String>, _ notice: (String) -> Void
  ) -> [TableColumn] {
    let all = layout.columns.filter { !isTimeOfCounting($0) }
    let order =
      all.filter { !idle.contains($0.instance) } + all.filter { idle.contains($0.instance) }
    if all.count > glance {
      let prefix = layout.columns.first?.name.prefix { $0 != "." } ?? ""
      notice(
        "\(layout.collector): the table shows \(glance) of \(all.count) columns; "
          + "--only '\(prefix).*' shows all, --only 'NAME' a choice; --format csv and ndjson write "
          + "all")
    }
    return plain(Array(order.prefix(glance)), of: layout)
  }

  /// A column for each of these, in their order.
  static func plain(_ columns: [Column], of layout: Layout) -> [TableColumn] {
    let isOneMetric = Set(layout.columns.map(\.metric.name)).count == 1
    return columns.filter { !isTimeOfCounting($0) }.enumerated().map { index, column in
      let (instance, metric) = (column.instance, column.metric)
      let isHost = instance.isEmpty
      // Of many instances of one metric, the instances are what tells them apart.
      let heading = isOneMetric && !isHost ? instance.shownInLine : metric.name
      let group =
        isHost || isOneMetric
        ? layout.collector : UInt(instance) == nil ? instance : "\(layout.collector) \(instance)"
      let format = format(metric)
      return TableColumn(
        group: group, heading: heading, source: column.name, format: format,
        unit: unit(metric, format), rank: 4 + index)
    }
  }

  /// The times of counts stand with their counts.
  private static func isTimeOfCounting(_ column: Column) -> Bool {
    column.times != nil || ["time_enabled", "time_running"].contains(column.metric.name)
  }

  private static func format(_ metric: MetricDescription) -> CellFormat {
    switch (metric.unit, metric.kind) {
    case (.bytes, _): .bytes
    case (.nanoseconds, .gauge): .count
    case (.nanoseconds, _), (.ratio, _): .percent
    case (.celsius, _), (.joules, _): .fixed
    default: .count
    }
  }
}
