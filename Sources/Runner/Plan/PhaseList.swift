import SampleModel

/// The tables of one list of phases, found by name: a list may have very many.
struct PhaseList {
  /// The values of a phase's table, and its key path.
  typealias Table = (values: [String: PlanValue], keyPath: String)

  let tables: [Table]
  /// The names of phases that are fallbacks of others.
  let fallbackNames: Set<ExactText>
  private let indexes: [ExactText: Int]

  /// A list of these tables.
  init(_ tables: [Table]) {
    self.tables = tables
    fallbackNames = Set(tables.compactMap { $0.values["on_failure"]?.plain.map(ExactText.init) })
    var indexes: [ExactText: Int] = [:]
    for (index, table) in tables.enumerated() {
      guard let name = table.values["name"]?.plain.map(ExactText.init), indexes[name] == nil
      else { continue }
      indexes[name] = index
    }
    self.indexes = indexes
  }

  /// The first table of that name.
  subscript(name: String) -> Table? { indexes[ExactText(name)].map { tables[$0] } }

  /// All names, in order.
  var names: [String] { tables.compactMap { $0.values["name"]?.plain } }

  /// The names of fallbacks that a phase which is no fallback leads to, directly or over others.
  var reached: Set<ExactText> {
    var reached: Set<ExactText> = []
    for one in tables where !fallbackNames.contains(ExactText(one.values["name"]?.plain ?? "")) {
      var next = one.values["on_failure"]?.plain
      while let name = next, reached.insert(ExactText(name)).inserted {
        next = self[name]?.values["on_failure"]?.plain
      }
    }
    return reached
  }
}
