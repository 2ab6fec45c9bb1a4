import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// One kernel text that a collector reads.
struct TextSource {
  let path: String
  /// The kernel gives it whole in one read (single_open, sysfs).
  let comesWhole: Bool
  /// The collector has nothing to say without it. Of the others, those that are there are read.
  let isNeeded: Bool
  /// Finds and names the numbers.
  let learn: (KernelText) throws(KernelTextError) -> [TextHole]

  /// A source at `path`.
  init(
    _ path: String, comesWhole: Bool = true, isNeeded: Bool = true,
    learn: @escaping (KernelText) throws(KernelTextError) -> [TextHole]
  ) {
    self.path = path
    self.comesWhole = comesWhole
    self.isNeeded = isNeeded
    self.learn = learn
  }

  /// A file of one number (sysfs), the value of `field`.
  init(number path: String, _ field: TextField, form: NumberForm = .decimal) {
    self.init(path, isNeeded: false) { text throws(KernelTextError) in
      try TextFormat.row(text, [field.name], of: field.instance, form: form)
    }
  }

  /// A file whose change alone matters: it says which instances there are.
  init(sentinel path: String, comesWhole: Bool = true) {
    self.init(path, comesWhole: comesWhole, isNeeded: false) { _ throws(KernelTextError) in [] }
  }
}

/// A collector that is a list of kernel texts and the meaning of their fields.
protocol TextCollector: Collector {
  /// The texts to read, in layout order.
  func sources(_ context: CollectorContext) -> [TextSource]
  /// What a field of a text is, nil for one that is left out.
  func metric(_ field: TextField) -> MetricDescription?
  /// Whether an instance is wanted at all.
  func keeps(_ field: TextField) -> Bool
  /// The column of a field, where its rule is not the metric's alone.
  func column(
    _ metric: MetricDescription, _ field: TextField, _ context: CollectorContext
  ) -> Column
}

extension TextCollector {
  /// What the description has under the field's name.
  func metric(_ field: TextField) -> MetricDescription? { described(field.name) }

  /// All instances.
  func keeps(_ field: TextField) -> Bool { true }

  /// The metric at the field's instance.
  func column(
    _ metric: MetricDescription, _ field: TextField, _ context: CollectorContext
  ) -> Column {
    Column(collector: description.prefix, metric: metric, instance: field.instance)
  }

  /// The description's own metric of that name.
  func described(_ name: String) -> MetricDescription? {
    description.metrics.first { $0.name == name }
  }

  /// Available where every needed source, or else any, can be read.
  func probe(_ context: CollectorContext) -> Availability {
    let sources = sources(context)
    var first: Availability?
    for source in sources where source.isNeeded {
      let availability = probeTextFile(source.path)
      if availability != .available { return availability }
      first = .available
    }
    for source in sources where !source.isNeeded && first != .available {
      let availability = probeTextFile(source.path)
      if first == nil || availability == .available { first = availability }
    }
    return first ?? .absent(reason: "nothing of \(description.source) is there")
  }

  /// As `armTexts`.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    try armTexts(context)
  }

  /// Opens every source that is there and takes its shape.
  func armTexts(_ context: CollectorContext) throws(LBError) -> ArmedTexts {
    var files: [(file: TextFile, template: TextTemplate?)] = []
    var columns: [Column] = []
    var known: [String: MetricDescription] = [:]
    for metric in description.metrics { known[metric.name] = metric }
    var names = Set<String>()
    var refusal: LBError?
    var refusals: [String] = []
    for source in sources(context) {
      let file: TextFile
      do throws(LBError) {
        file = try TextFile(
          path: source.path, collector: description.name, comesWhole: source.comesWhole)
      } catch {
        if source.isNeeded { throw error }
        refusal = refusal ?? error
        if let errno = error.context.errno, errno == EACCES || errno == EPERM {
          refusals.append("\(source.path): \(SystemError.words(errno))")
        }
        continue
      }
      guard let (text, holes) = try learn(source, file) else {
        files.append((file, nil))
        continue
      }
      var wanted = Set<TextField>()
      for hole in holes {
        guard let field = hole.field, keeps(field), let metric = known[field.name] ?? metric(field)
        else { continue }
        let column = column(metric, field, context)
        // A value that two texts have is read from the first of them.
        guard context.filter.passes(column.name), names.insert(column.name).inserted else {
          continue
        }
        wanted.insert(field)
        columns.append(column)
      }
      let template = TextTemplate(text, holes: holes) { wanted.remove($0) != nil }
      files.append((file, template))
    }
    guard files.contains(where: { $0.template != nil }) else {
      throw refusal
        ?? LBError(
          .collectorUnavailable, "\(description.name): nothing of \(description.source) is there",
          context: ErrorContext(collector: description.name))
    }
    let notes = refusals.map { "\(description.name): \($0): left out" }
    return ArmedTexts(files, columns: columns, notes: notes)
  }

  /// The text of `file` with its holes, nil for an optional one that does not read now.
  private func learn(
    _ source: TextSource, _ file: TextFile
  ) throws(LBError) -> (KernelText, [TextHole])? {
    var learnt: (KernelText, [TextHole])?
    let outcome = file.read { bytes throws(KernelTextError) in
      let text = KernelText(bytes)
      var holes: [TextHole] = []
      do throws(KernelTextError) {
        holes = try source.learn(text)
      } catch {
        // Of an optional text that cannot be used all is literal: it is learnt anew when it changes.
        if source.isNeeded { throw error }
      }
      // Its numbers must parse too.
      let template = TextTemplate(text, holes: holes)
      var values = [UInt64](repeating: 0, count: template.valueCount)
      var span = values.mutableSpan
      try template.parse(bytes, into: &span, memory: template.memory())
      learnt = (text, holes)
    }
    if let learnt { return learnt }
    guard source.isNeeded || outcome == .malformed || outcome == .truncated else { return nil }
    throw LBError(
      .collectorUnavailable,
      "\(description.name): \(file.path) was \(outcome.word) at its first read"
        + (outcome == .malformed ? ": is it the kernel's own file?" : ""),
      context: ErrorContext(collector: description.name, path: file.path))
  }
}
