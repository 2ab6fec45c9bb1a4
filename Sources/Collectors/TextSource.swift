import KernelText
import SampleModel
import Sampler

/// One kernel text that a collector reads.
struct TextSource {
  let path: String
  /// How the kernel serves it.
  let delivery: RawBody.Delivery
  /// Whether the collector is unavailable without it. Other sources are optional.
  let isNeeded: Bool
  /// Whether it lists the instances: when its shape changes, the collector is re-armed.
  let namesInstances: Bool
  /// Whether it lists things from their first use on, and may be empty.
  let listsFromFirstUse: Bool
  /// For a directory, the field of its number of entries.
  let entries: TextField?
  /// Finds and names the numbers.
  let learn: (KernelText) throws(KernelTextError) -> [Placeholder]

  /// A source at `path`.
  init(
    _ path: String, delivery: RawBody.Delivery = .whole, isNeeded: Bool = true,
    namesInstances: Bool = false, listsFromFirstUse: Bool = false,
    learn: @escaping (KernelText) throws(KernelTextError) -> [Placeholder]
  ) {
    self.path = path
    self.delivery = delivery
    self.isNeeded = isNeeded
    self.namesInstances = namesInstances
    self.listsFromFirstUse = listsFromFirstUse
    self.learn = learn
    entries = nil
  }

  /// A file of one number (sysfs), the value of `field`.
  init(number path: String, _ field: TextField, form: NumberForm = .decimal) {
    self.init(path, isNeeded: false) { text throws(KernelTextError) in
      try TextFormat.row(text, [field.name], of: field.instance, form: form)
    }
  }

  /// A file without values that lists the instances: only its changes matter.
  init(sentinel path: String, delivery: RawBody.Delivery = .whole) {
    self.init(path, delivery: delivery, isNeeded: false, namesInstances: true) {
      _ throws(KernelTextError) in []
    }
  }

  /// A directory of which the kernel counts the entries (`/proc/PID/fd` since Linux 6.2).
  init(entriesOf path: String, _ field: TextField) {
    self.path = path
    delivery = .whole
    isNeeded = false
    namesInstances = false
    listsFromFirstUse = false
    entries = field
    learn = { _ throws(KernelTextError) in [] }
  }
}

/// A column that is the sum of those at `parts`.
struct SummedColumn {
  let column: Column
  let parts: [Int]
}
