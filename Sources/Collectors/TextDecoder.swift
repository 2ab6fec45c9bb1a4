import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Turns the texts of one collector into values: each has its template, which the first reading
/// that does not fit replaces by its own.
///
/// The smallest unit fails: a file that cannot be read, or a field of it, has no column as long as
/// that lasts, and is named once with its cause; all else goes on.
final class TextDecoder: RawDecoder {
  /// What is known of one source.
  private struct Part {
    let source: TextSource
    /// Of the last text of another shape: its bytes and holes, for a template with other wishes.
    var text: KernelText?
    var holes: [TextHole] = []
    /// Why it has no values: an errno, 0 for a text without any.
    var failure: Int32?
    /// It was read, and nothing of it can be used.
    var isUnusable = false
    /// Its columns in the order of the holes, those that another source has too included.
    var fields: [(field: TextField, column: Column)] = []
    /// Columns that it has or had, also those whose words cannot be read: no other source has them.
    var names = Set<ExactText>()
    /// Instances in its text.
    var instances = Set<String>()
    /// Which of the columns are its own.
    var wanted: [Bool] = []
    var reading: Reading?
    var firstSlot = 0
    /// Its last text could be used, or was a list of nothing.
    var wasRead = false
  }

  /// How a text is read: its shape, and what is remembered of the last one. A class: a reading then
  /// costs one reference.
  private final class Reading {
    let template: TextTemplate
    let memory: TextMemory

    init(_ template: TextTemplate) {
      self.template = template
      memory = template.memory()
    }
  }

  private let collector: any TextCollector
  private let context: CollectorContext
  private let known: [String: MetricDescription]
  private var parts: [Part]
  private var sums: [SummedColumn] = []
  /// Instances that a text lists now, and did not list in an earlier reading.
  private var fresh = Set<String>()
  /// Of what was learnt last: whether any source has a value.
  private var hasValues = false
  /// What was reported, so that nothing is reported twice.
  private var reported = Set<String>()
  /// What follows for the values of a file.
  static let leftOut =
    "; values from this file are left out until the file can be read again (reported once)"
  /// Messages about one collector that are worth having.
  private static let reportLimit = 200

  /// A decoder of `sources`, none of which was read.
  init(_ collector: any TextCollector, _ context: CollectorContext, _ sources: [TextSource]) {
    self.collector = collector
    self.context = context
    parts = sources.map { Part(source: $0) }
    var known: [String: MetricDescription] = [:]
    for metric in collector.description.metrics { known[metric.name] = metric }
    self.known = known
    super.init()
  }

  override func decode(_ body: Span<UInt64>) -> Outcome {
    var outcome = Outcome.values
    let isKnown = parse(body)
    if !isKnown, learn(body) { outcome = .valuesOfNewColumns }
    // A reading of nothing is known too, once it was met. What a text was learnt from it also
    // parses; else it is our bug, and absent.
    guard hasValues, isKnown || parse(body) else { return .gap(failure) }
    guard !sums.isEmpty else { return outcome }
    for (place, sum) in sums.enumerated() {
      var total: UInt64 = 0
      for part in sum.parts { total &+= values[part] }
      values[columns.count - sums.count + place] = total
    }
    return outcome
  }

  /// Whether any source has a value now. True also where no source has ever had one and at least
  /// one is well-formed: a link whose speed the kernel reports as unknown.
  private func findValues() -> Bool {
    parts.contains { part in
      part.failure == nil
        && (!part.fields.isEmpty
          || columns.isEmpty && part.reading != nil && !part.isUnusable
            && !part.source.namesInstances)
    }
  }

  /// Why none has.
  private var failure: AcquisitionOutcome {
    let needed = parts.filter(\.source.isNeeded)
    let failures = (needed.isEmpty ? parts : needed).compactMap(\.failure)
    guard let first = failures.first else { return .malformed }
    return switch first {
    case 0: .malformed
    case EACCES, EPERM: .denied
    default: .absent
    }
  }

  // MARK: Parsing

  /// Parses every part by what is known of it; false when one is not as it is known.
  private func parse(_ body: Span<UInt64>) -> Bool {
    // Taken out of the property while spans of it are in use: nothing is copied.
    var values = self.values
    self.values = []
    defer { self.values = values }
    return parse(body, into: &values)
  }

  private func parse(_ body: Span<UInt64>, into values: inout [UInt64]) -> Bool {
    var next = RawParts()
    var all = values.mutableSpan
    // One access of the property for all of them.
    let parts = parts
    for index in parts.indices {
      guard let part = next.next(of: body), parts[index].failure == Self.failure(of: part) else {
        return false
      }
      guard parts[index].failure == nil else { continue }
      if parts[index].source.entries != nil {
        if parts[index].wanted.first == true { all[parts[index].firstSlot] = body[part.start] }
        continue
      }
      guard let reading = parts[index].reading else { return false }
      let first = parts[index].firstSlot
      var mine = all._mutatingExtracting(first..<first + reading.template.valueCount)
      let fits = body.withBytes(of: part) { text in
        do throws(KernelTextError) {
          try reading.template.parse(
            text, slack: RawParts.slack, into: &mine, memory: reading.memory)
          return true
        } catch {
          return false
        }
      }
      if !fits { return false }
    }
    return true
  }

  /// Why a part has no values: the errno of its read, 0 where it is empty.
  @inline(__always)
  private static func failure(of part: RawParts.Part) -> Int32? {
    part.failure != 0 ? part.failure : part.bytes == 0 ? 0 : nil
  }

  // MARK: Learning

  /// Learns the parts that are not as they were known; gives whether that makes other columns.
  private func learn(_ body: Span<UInt64>) -> Bool {
    var next = RawParts()
    for index in parts.indices {
      guard let part = next.next(of: body) else { break }
      guard let failure = Self.failure(of: part) else {
        if parts[index].source.entries != nil {
          learnEntries(index)
        } else {
          body.withBytes(of: part) { learn(index, $0) }
        }
        continue
      }
      if parts[index].failure != failure { fail(index, failure) }
    }
    // A frame of nothing keeps the columns that there were: they may come back.
    let isNothing = parts.allSatisfy { $0.failure != nil || $0.fields.isEmpty }
    let isOther = (columns.isEmpty || !isNothing) && arrange()
    hasValues = findValues()
    return isOther
  }

  /// A source has no values any more, or for another reason.
  private func fail(_ index: Int, _ failure: Int32) {
    let hadValues = parts[index].failure == nil && !parts[index].fields.isEmpty
    parts[index].failure = failure
    parts[index].fields = []
    parts[index].reading = nil
    parts[index].wasRead = failure == 0 && parts[index].source.listsFromFirstUse
    if parts[index].wasRead {
      parts[index].instances = []
      return
    }
    let path = parts[index].source.path
    if hadValues || failure == EACCES || failure == EPERM || failure == 0 {
      report(Self.loss(path, failure))
    }
    // What is gone has perhaps made room for something else.
    if hadValues, [ENOENT, ENODEV, ENXIO, ESRCH].contains(failure) { wantsRearm = true }
  }

  /// What is said of a source without values: one thing of all files of a process or device that is
  /// gone.
  private static func loss(_ path: String, _ failure: Int32) -> String {
    let folder = path.parts("/", keepEmpty: true).dropLast()
    let process = folder.last.flatMap { UInt32($0) }
    switch failure {
    case 0: return "\(path): the file is empty\(leftOut)"
    case ESRCH where process != nil, ENOENT where process != nil:
      return "process \(process ?? 0) has exited; its values are left out from now on"
    case ENODEV, ENXIO:
      let place = folder.joined(separator: "/")
      return "\(place): \(SystemError.words(failure)); values from its files left out"
    default: return "\(path): \(SystemError.words(failure))\(leftOut)"
    }
  }

  private func learnEntries(_ index: Int) {
    guard parts[index].fields.isEmpty, let field = parts[index].source.entries else { return }
    parts[index].failure = nil
    parts[index].fields = column(field).map { [(field, $0)] } ?? []
  }

  private func learn(_ index: Int, _ bytes: Span<UInt8>) {
    // What parses as it is known is known.
    if parts[index].failure == nil, let template = parts[index].reading?.template {
      var values = [UInt64](repeating: 0, count: template.valueCount)
      var span = values.mutableSpan
      do throws(KernelTextError) {
        return try template.parse(bytes, into: &span, memory: template.memory())
      } catch {
        // It has another shape now.
      }
    }
    parts[index].isUnusable = false
    let source = parts[index].source
    let isFirst = parts[index].reading == nil
    let text = KernelText(bytes)
    var holes: [TextHole] = []
    do throws(KernelTextError) {
      holes = try source.learn(text)
      for words in text.complaints(holes) {
        report("\(source.path), \(words); its value is left out (reported once)")
      }
    } catch {
      // All of it is literal then: it is learnt anew when it changes.
      parts[index].isUnusable = true
      report("\(source.path)\(Self.words(error))\(Self.leftOut)")
    }
    let isList = source.listsFromFirstUse && parts[index].wasRead
    let before = parts[index].instances
    parts[index].text = text
    parts[index].holes = holes
    parts[index].failure = nil
    parts[index].reading = nil
    parts[index].fields = []
    parts[index].instances = []
    for hole in holes {
      guard let field = hole.named else { continue }
      parts[index].instances.insert(field.instance)
      if isList, !before.contains(field.instance) { fresh.insert(field.instance) }
      guard let column = column(field) else { continue }
      parts[index].names.insert(ExactText(column.name))
      if hole.field != nil { parts[index].fields.append((field, column)) }
    }
    parts[index].wasRead = !parts[index].isUnusable
    if source.namesInstances, !isFirst { wantsRearm = true }
  }

  private static func words(_ error: KernelTextError) -> String {
    switch error {
    case .malformed(let line, let field): ", line \(line), field \(field): unexpected content"
    case .truncated: ": ends too early"
    case .layoutChanged: ": unexpected content"
    }
  }

  /// The column of a field, nil for one that is not wanted.
  private func column(_ field: TextField) -> Column? {
    guard collector.keeps(field), let metric = known[field.name] ?? collector.metric(field) else {
      return nil
    }
    var column = collector.column(metric, field, context)
    if metric.life == .firstUse, fresh.contains(field.instance) { column = column.startingAtZero }
    return context.filter.passes(column.name) ? column : nil
  }

  /// Gives each part its columns, of which one that two texts have is read from the first, and its
  /// template; gives whether the columns are others than before.
  private func arrange() -> Bool {
    var names = Set<ExactText>()
    var all: [Column] = []
    for index in parts.indices {
      // A value that cannot be read is none of another source's.
      defer { names.formUnion(parts[index].names) }
      guard parts[index].failure == nil else { continue }
      let wanted = parts[index].fields.map { names.insert(ExactText($0.column.name)).inserted }
      parts[index].firstSlot = all.count
      for (field, isWanted) in zip(parts[index].fields, wanted) where isWanted {
        all.append(field.column)
      }
      if parts[index].source.entries == nil,
        parts[index].reading == nil
          || parts[index].wanted != wanted
      {
        var mine = Set<TextField>()
        for (field, isWanted) in zip(parts[index].fields, wanted) where isWanted {
          mine.insert(field.field)
        }
        guard let text = parts[index].text else { continue }
        let template = TextTemplate(text, holes: parts[index].holes) { mine.remove($0) != nil }
        parts[index].reading = Reading(template)
      }
      parts[index].wanted = wanted
    }
    sums = collector.sums(of: all, instances(), context)
    all += sums.map(\.column)
    guard all != columns else { return false }
    change(columns: all)
    return true
  }

  /// Every instance in the texts, including those that the user has filtered out.
  private func instances() -> Set<String> {
    var instances = Set<String>()
    for part in parts where part.failure == nil { instances.formUnion(part.instances) }
    return instances
  }

  private func report(_ message: String) {
    guard reported.count < Self.reportLimit, reported.insert(message).inserted else { return }
    messages.append("\(collector.description.name): \(message)")
  }
}
