import SampleModel

/// The tables of one list of phases, found by their names: a list may have very many.
struct PhaseList {
  /// What a phase's table has, and where it stands.
  typealias Table = (values: [String: PlanValue], keyPath: String)

  let tables: [Table]
  /// The names that others fall back to.
  let fallbackNames: Set<ExactText>
  private let places: [ExactText: Int]

  /// A list of these tables.
  init(_ tables: [Table]) {
    self.tables = tables
    fallbackNames = Set(tables.compactMap { $0.values["on_failure"]?.plain.map(ExactText.init) })
    var places: [ExactText: Int] = [:]
    for (place, table) in tables.enumerated() {
      guard let name = table.values["name"]?.plain.map(ExactText.init), places[name] == nil
      else { continue }
      places[name] = place
    }
    self.places = places
  }

  /// The first table of that name.
  subscript(name: String) -> Table? { places[ExactText(name)].map { tables[$0] } }

  /// All names, in order.
  var names: [String] { tables.compactMap { $0.values["name"]?.plain } }

  /// The names that a phase which is no spare leads to by `on_failure`, over others too.
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
