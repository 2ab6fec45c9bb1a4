import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Turns the texts of one collector into values by templates. A text that does not match its
/// template gets a new one.
///
/// Failures are confined: a file or field that cannot be read has no column until it can, and is
/// reported once with its cause; all others continue.
final class TextDecoder: RawDecoder {
  /// The state of one source.
  private struct Part {
    let source: TextSource
    /// The last learnt text with its placeholders, for a template of other columns.
    var text: KernelText?
    var placeholders: [Placeholder] = []
    /// Why it has no values: an errno, 0 for an empty text.
    var failure: Int32?
    /// It was read, and nothing in it can be used.
    var isUnusable = false
    /// Its columns in the order of the placeholders, including duplicates of other sources.
    var fields: [(field: TextField, column: Column)] = []
    /// Names of its present and past columns, also unreadable ones: no other source may have them.
    var names = Set<String>()
    /// Instances in its text.
    var instances = Set<String>()
    /// Which of the columns are its own.
    var wanted: [Bool] = []
    var reading: Reading?
    var firstSlot = 0
    /// Its last text could be used, or was an empty list.
    var wasRead = false
  }

  /// A text's template and its cache. A class: each reading then costs one reference.
  private final class Reading {
    let template: TextTemplate
    let cache: TemplateCache

    init(_ template: TextTemplate) {
      self.template = template
      cache = template.makeCache()
    }
  }

  private let collector: any TextCollector
  private let context: CollectorContext
  private let known: [String: MetricDescription]
  private var parts: [Part]
  private var sums: [SummedColumn] = []
  /// Instances that are listed now and were not in an earlier reading.
  private var fresh = Set<String>()
  /// Whether any source had a value when last learnt.
  private var hasValues = false
  /// Reported messages, so that none is repeated.
  private var reported = Set<String>()
  /// The consequence for the values of a file.
  static let leftOut =
    "; values from this file are left out until the file can be read again (reported once)"
  /// The most messages about one collector.
  private static let reportLimit = 200

  /// A decoder of `sources`, before the first reading.
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
    // An empty reading may be known too. A text that was just learnt must parse; otherwise it is an
    // internal error, and absent.
    guard hasValues, isKnown || parse(body) else { return .gap(failure) }
    guard !sums.isEmpty else { return outcome }
    for (index, sum) in sums.enumerated() {
      var total: UInt64 = 0
      for part in sum.parts { total &+= values[part] }
      values[columns.count - sums.count + index] = total
    }
    return outcome
  }

  /// Whether any source has a value. Also true if none ever had one and at least one is
  /// well-formed: a link of unknown speed.
  private func findValues() -> Bool {
    parts.contains { part in
      part.failure == nil
        && (!part.fields.isEmpty
          || columns.isEmpty && part.reading != nil && !part.isUnusable
            && !part.source.namesInstances)
    }
  }

  /// The outcome if none has.
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

  /// Parses every part with its template; false if one does not match.
  private func parse(_ body: Span<UInt64>) -> Bool {
    // Moved out of the property while spans of it are used, without copying.
    var values = self.values
    self.values = []
    defer { self.values = values }
    return parse(body, into: &values)
  }

  private func parse(_ body: Span<UInt64>, into values: inout [UInt64]) -> Bool {
    var next = RawParts()
    var all = values.mutableSpan
    // One access of the property for all parts.
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
            text, slack: RawParts.slack, into: &mine, cache: reading.cache)
          return true
        } catch {
          return false
        }
      }
      if !fits { return false }
    }
    return true
  }

  /// Why a part has no values: the errno of its read, 0 if empty.
  @inline(__always)
  private static func failure(of part: RawParts.Part) -> Int32? {
    part.failure != 0 ? part.failure : part.bytes == 0 ? 0 : nil
  }

  // MARK: Learning

  /// Learns the parts that do not match; returns whether the columns changed.
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
    // An empty frame keeps the columns, which may return.
    let isNothing = parts.allSatisfy { $0.failure != nil || $0.fields.isEmpty }
    let isOther = (columns.isEmpty || !isNothing) && arrange()
    hasValues = findValues()
    return isOther
  }

  /// Records a source's loss of values, or a new reason for it.
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
    // A disappeared source may have been replaced by another one.
    if hadValues, [ENOENT, ENODEV, ENXIO, ESRCH].contains(failure) { wantsRearm = true }
  }

  /// The message for a source without values; the same for all files of an ended process or a
  /// removed device.
  private static func loss(_ path: String, _ failure: Int32) -> String {
    let folder = path.parts("/", keepEmpty: true).dropLast()
    let process = folder.last.flatMap { UInt32($0) }
    switch failure {
    case 0: return "\(path): the file is empty\(leftOut)"
    case ESRCH where process != nil, ENOENT where process != nil:
      return "process \(process ?? 0) has exited; its values are left out from now on"
    case ENODEV, ENXIO:
      let device = folder.joined(separator: "/")
      return "\(device): \(SystemError.words(failure)); values from its files left out"
    default: return "\(path): \(SystemError.words(failure))\(leftOut)"
    }
  }

  private func learnEntries(_ index: Int) {
    guard parts[index].fields.isEmpty, let field = parts[index].source.entries else { return }
    parts[index].failure = nil
    parts[index].fields = column(field).map { [(field, $0)] } ?? []
  }

  private func learn(_ index: Int, _ bytes: Span<UInt8>) {
    // A text that matches its template needs no learning.
    if parts[index].failure == nil, let template = parts[index].reading?.template {
      var values = [UInt64](repeating: 0, count: template.valueCount)
      var span = values.mutableSpan
      do throws(KernelTextError) {
        return try template.parse(bytes, into: &span, cache: template.makeCache())
      } catch {
        // The text has another shape.
      }
    }
    parts[index].isUnusable = false
    let source = parts[index].source
    let isFirst = parts[index].reading == nil
    let text = KernelText(bytes)
    var placeholders: [Placeholder] = []
    do throws(KernelTextError) {
      placeholders = try source.learn(text)
      for words in text.complaints(placeholders) {
        report("\(source.path), \(words); its value is left out (reported once)")
      }
    } catch {
      // The whole text is literal, and learnt again when it changes.
      parts[index].isUnusable = true
      report("\(source.path)\(Self.words(error))\(Self.leftOut)")
    }
    let isList = source.listsFromFirstUse && parts[index].wasRead
    let before = parts[index].instances
    parts[index].text = text
    parts[index].placeholders = placeholders
    parts[index].failure = nil
    parts[index].reading = nil
    parts[index].fields = []
    parts[index].instances = []
    for placeholder in placeholders {
      guard let field = placeholder.named else { continue }
      parts[index].instances.insert(field.instance)
      if isList, !before.contains(field.instance) { fresh.insert(field.instance) }
      guard let column = column(field) else { continue }
      parts[index].names.insert(column.name)
      if placeholder.field != nil { parts[index].fields.append((field, column)) }
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

  /// The column of a field, nil if unwanted.
  private func column(_ field: TextField) -> Column? {
    guard collector.keeps(field), let metric = known[field.name] ?? collector.metric(field) else {
      return nil
    }
    var column = collector.column(metric, field, context)
    if metric.life == .firstUse, fresh.contains(field.instance) { column = column.startingAtZero }
    return context.filter.passes(column.name) ? column : nil
  }

  /// Assigns columns and templates to the parts; a column of two texts is read from the first.
  /// Returns whether the columns changed.
  private func arrange() -> Bool {
    var names = Set<String>()
    var all: [Column] = []
    for index in parts.indices {
      // An unreadable value is not taken from another source.
      defer { names.formUnion(parts[index].names) }
      guard parts[index].failure == nil else { continue }
      let wanted = parts[index].fields.map { names.insert($0.column.name).inserted }
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
        let template = TextTemplate(text, placeholders: parts[index].placeholders) {
          mine.remove($0) != nil
        }
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

  /// Every instance in the texts, including filtered ones.
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
