/// The instance of each column, for instances that have 64-bit and narrower counters: if a 64-bit
/// one fell, a narrow one of that instance was reset and did not wrap.
struct InstanceGroups: Sendable {
  /// For each column the number of its instance, -1 for values of the host, which are independent.
  /// Empty if all counters are narrow, or none.
  private var numbers: [Int] = []

  /// No groups.
  init() {}

  /// The groups of a layout with its rules.
  init(_ layout: Layout, _ rules: [ValueRule]) {
    let counters = rules.filter { !$0.isGauge }
    guard counters.contains(where: { $0.modulus == 0 }),
      counters.contains(where: { $0.modulus > 0 })
    else { return }
    var known = ["": -1]
    numbers = layout.columns.map { column in
      let instance = column.instance
      if let number = known[instance] { return number }
      known[instance] = known.count
      return known.count - 1
    }
  }

  var isEmpty: Bool { numbers.isEmpty }

  /// The column's number; not if `isEmpty`.
  subscript(index: Int) -> Int { numbers[index] }
}
