import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// A collector defined by kernel texts and the metrics of their fields.
protocol TextCollector: Collector {
  /// The texts to read, in layout order.
  func sources(_ context: CollectorContext) -> [TextSource]
  /// The metric of a field, nil to leave it out.
  func metric(_ field: TextField) -> MetricDescription?
  /// Whether a field's instance is wanted.
  func keeps(_ field: TextField) -> Bool
  /// The column of a field, if it depends on more than its metric.
  func column(
    _ metric: MetricDescription, _ field: TextField, _ context: CollectorContext
  ) -> Column
  /// Columns that are sums of others; `instances` are all in the texts, wanted or not.
  func sums(
    of columns: [Column], _ instances: Set<String>, _ context: CollectorContext
  ) -> [SummedColumn]
}

extension TextCollector {
  /// The described metric with the field's name.
  func metric(_ field: TextField) -> MetricDescription? { described(field.name) }

  /// All instances.
  func keeps(_ field: TextField) -> Bool { true }

  /// The metric with the field's instance.
  func column(
    _ metric: MetricDescription, _ field: TextField, _ context: CollectorContext
  ) -> Column {
    Column(
      collector: description.prefix, metric: metric, instance: field.instance,
      identity: field.identity)
  }

  /// None.
  func sums(
    of columns: [Column], _ instances: Set<String>, _ context: CollectorContext
  ) -> [SummedColumn] { [] }

  /// The description's own metric of that name.
  func described(_ name: String) -> MetricDescription? {
    description.metrics.first { $0.name == name }
  }

  /// Available if any source can be read; otherwise the result of the first needed one.
  func probe(_ context: CollectorContext) -> Availability {
    var first: (availability: Availability, isNeeded: Bool)?
    for source in sources(context) where source.entries == nil {
      let availability = probeTextFile(source.path)
      if availability == .available { return .available }
      if first == nil || (source.isNeeded && first?.isNeeded == false) {
        first = (availability, source.isNeeded)
      }
    }
    return first?.availability
      ?? .absent(reason: "no file matches \(description.sourceFromRoot)")
  }

  /// As `armTexts`.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    try armTexts(context)
  }

  /// Opens every existing source, reads each once, and learns its template.
  func armTexts(_ context: CollectorContext) throws(LBError) -> ArmedTexts {
    let owned = DescriptorList()
    var files: [ArmedTexts.File] = []
    var present: [TextSource] = []
    var isOnProc = true
    var refusal: LBError?
    var notes: [String] = []
    for source in sources(context) {
      do throws(SystemError) {
        let descriptor =
          source.entries == nil
          ? try OwnedDescriptor(text: source.path)
          : try OwnedDescriptor(open: source.path, RawDirectory.pathOnly)
        let isKernels = descriptor.isOnProc()
        isOnProc = isOnProc && isKernels
        // Files of other file systems (LXCFS, fixtures) may be returned in pieces of any size.
        let delivery = source.delivery == .shortRecords && !isKernels ? .pieces : source.delivery
        let watch = descriptor.watch(source.path)
        if let watch { owned.keep(watch) }
        files.append(
          ArmedTexts.File(
            descriptor: owned.add(descriptor), delivery: delivery,
            isFolder: source.entries != nil, watch: watch))
        present.append(source)
      } catch {
        let failure = LBError(
          .collectorUnavailable,
          "\(description.name): \(source.path): \(error.reason); run 'lbsample doctor' for help",
          context: ErrorContext(
            collector: description.name, path: source.path, errno: error.errno))
        refusal = refusal ?? failure
        if error.errno == EACCES || error.errno == EPERM {
          notes.append(
            "\(description.name): \(source.path): \(error.reason)\(TextDecoder.leftOut)")
        }
      }
    }
    guard !present.isEmpty else {
      throw refusal
        ?? LBError(
          .collectorUnavailable,
          "\(description.name): no file matches \(description.sourceFromRoot)",
          context: ErrorContext(collector: description.name))
    }
    let decoder = TextDecoder(self, context, present)
    let (body, _) = RawBody.collect(atLeast: 0) { body in
      for file in files { ArmedTexts.read(file, into: &body) }
    }
    var parts = RawParts()
    for index in files.indices {
      guard let part = parts.next(of: body.span) else { break }
      files[index].request = ArmedTexts.request(firstBytes: part.bytes)
    }
    let outcome = decoder.decode(body.span)
    notes += decoder.messages
    decoder.messages = []
    decoder.wantsRearm = false
    if case .gap(let cause) = outcome {
      throw refusal
        ?? LBError(
          .collectorUnavailable,
          notes.isEmpty
            ? "\(description.name): no values in \(description.sourceFromRoot) (\(cause.phrase))"
            : notes.joined(separator: "; ") + "; the collector cannot start",
          context: ErrorContext(collector: description.name, path: present.first?.path))
    }
    return ArmedTexts(
      files, owned: owned, paths: present.map(\.path), isOnProc: isOnProc, decoder: decoder,
      readingWords: body.count, notes: notes)
  }
}
