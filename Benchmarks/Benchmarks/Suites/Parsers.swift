import Benchmark
import KernelText

/// What a host of `cpus` CPUs shows, of fixed numbers.
enum Texts {
  static func stat(_ cpus: Int) -> String {
    let line = "30123456 412 5012345 261234567 20111 0 30222 0 0 0\n"
    return (["cpu  " + line] + (0..<cpus).map { "cpu\($0) " + line }).joined()
      + "intr 98291 0 991 0\nctxt 169515\nbtime 1700000000\nprocesses 4711\nprocs_running 3\n"
      + "procs_blocked 0\nsoftirq 99 1 2 3 4 5 6 7 8 9 10\n"
  }

  static func interfaces(_ count: Int) -> String {
    "Inter-|   Receive                                                |  Transmit\n"
      + " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
      + "drop fifo colls carrier compressed\n"
      + (0..<count).map {
        "  eth\($0): 123456789 654321 0 0 0 0 0 12 987654321 123456 0 0 0 0 0 0\n"
      }.joined()
  }

  static func pairs(_ count: Int) -> String {
    (0..<count).map { "Field\($0):       \(16_384 + $0) kB\n" }.joined()
  }

  static func rows(_ count: Int) -> String {
    (0..<count).map { "nr_field_\($0) \($0 * 991)\n" }.joined()
  }
}

func parserSuite() {
  func list(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    try TextFormat.list(text)
  }
  let texts: [(String, String, (KernelText) throws(KernelTextError) -> [Placeholder])] = [
    ("stat-256", Texts.stat(256), TextFormat.stat),
    ("net-dev-64", Texts.interfaces(64), TextFormat.interfaces),
    ("meminfo", Texts.pairs(55), list),
    ("vmstat", Texts.rows(180), list),
  ]
  for (name, text, format) in texts {
    Benchmark(
      "Parsers.\(name)", configuration: configuration([.allocations, .bytes], scaling: .one)
    ) { benchmark in
      let bytes = Array(text.utf8)
      let learnt = KernelText(bytes.span)
      let template = TextTemplate(learnt, placeholders: try format(learnt))
      var values = [UInt64](repeating: 0, count: template.valueCount)
      let cache = template.makeCache()
      var span = values.mutableSpan
      // What is expected is not that of a text that was never read.
      try template.parse(bytes.span, into: &span, cache: cache)
      var failure: KernelTextError?
      measured(benchmark) {
        do throws(KernelTextError) {
          try template.parse(bytes.span, into: &span, cache: cache)
        } catch { failure = error }
      }
      benchmark.measurement(.bytes, bytes.count)
      if let failure { benchmark.error("\(failure)") }
    }
  }
}
