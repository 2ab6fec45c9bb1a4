import KernelText
import SampleModel
import Sampler

/// One kernel text that a collector reads.
struct TextSource {
  let path: String
  /// How the kernel hands it out.
  let delivery: RawBody.Delivery
  /// The collector has nothing to say without it. Of the others, those that are there are read.
  let isNeeded: Bool
  /// It says which instances there are: when its shape changes, other files are to be opened.
  let namesInstances: Bool
  /// It lists what was used, each from its first use on, and may be empty.
  let listsFromFirstUse: Bool
  /// For a directory, the field that its number of entries is; it has no text.
  let entries: TextField?
  /// Finds and names the numbers.
  let learn: (KernelText) throws(KernelTextError) -> [TextHole]

  /// A source at `path`.
  init(
    _ path: String, delivery: RawBody.Delivery = .whole, isNeeded: Bool = true,
    namesInstances: Bool = false, listsFromFirstUse: Bool = false,
    learn: @escaping (KernelText) throws(KernelTextError) -> [TextHole]
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

  /// A file whose change alone matters: it says which instances there are.
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

/// A column that is made of others: the sum of those at `parts`.
struct SummedColumn {
  let column: Column
  let parts: [Int]
}
