/// Which columns of a layout are of one instance, where an instance has narrow and wide counters: a
/// wide one that fell says that a narrow one beside it was reset, and did not wrap.
struct InstanceGroups: Sendable {
  /// For each column the number of its instance, -1 for values of the host, which have nothing to
  /// do with one another. Empty where no counters are narrow, or all of them.
  private var numbers: [Int] = []

  /// No groups.
  init() {}

  /// The groups of a layout with its rules.
  init(_ layout: Layout, _ rules: [ValueRule]) {
    let counters = rules.filter { !$0.isGauge }
    guard counters.contains(where: { $0.modulus == 0 }),
      counters.contains(where: { $0.modulus > 0 })
    else { return }
    var known = [ExactText(""): -1]
    numbers = layout.columns.map { column in
      let instance = ExactText(column.instance)
      if let number = known[instance] { return number }
      known[instance] = known.count
      return known.count - 1
    }
  }

  var isEmpty: Bool { numbers.isEmpty }

  /// The column's number; not of an empty value.
  subscript(place: Int) -> Int { numbers[place] }
}
