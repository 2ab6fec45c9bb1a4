import Output
import RunAnalysis
import SampleModel

/// What decides whether the numbers can be trusted: ledger, contamination, own cost, what was not
/// sampled, and the host.
extension ReportPage {
  func trust(_ page: inout Markup) {
    page.own("<section id=\"trust\"><h2>Can it be trusted?</h2>\n")
    for (index, run) in runs.enumerated() {
      if runs.count > 1 { page.element("h3", "\(letter(index)): \(run.name)") }
      let attempts = run.attempts.map(\.attempt)
      let ledger = run.result.ledger ?? Ledger.merged(attempts.map(\.ledger))
      let costs = attempts.compactMap(\.overhead)
      let overhead = run.result.overhead ?? (costs.isEmpty ? nil : Overhead.merged(costs))
      if let overhead {
        page.element("p", LedgerText.line(ledger, overhead) + ".")
      } else {
        page.element(
          "p",
          "Ledger and overhead are not in the result: it was interrupted, or is still running.",
          [("class", "bad")])
      }
      if !ledger.threads.isEmpty { ledgers(ledger, index, &page) }
      if let overhead { cost(overhead, index, &page) }
      contamination(run, &page)
      page.list(
        run.result.unavailable.map { "not sampled: \($0.collector): \($0.reason)" }
          + run.result.warnings.map { "warning: \($0)" })
      if let changes = run.result.labels[RunResult.columnsLabel] {
        page.element("p", "Number of times that columns changed during sampling: \(changes)")
      }
    }
    hosts(&page)
    page.own("</section>\n")
  }

  private func ledgers(_ ledger: Ledger, _ index: Int, _ page: inout Markup) {
    var threads = MarkupTable(
      "\(prefix(index))ledger: deadlines = on time + late + skipped, frames = drained + dropped",
      [
        ("sampling thread", false), ("deadlines", true), ("on time", true), ("late", true),
        ("skipped", true), ("latest by", true), ("frames", true), ("drained", true),
        ("dropped", true), ("adds up", false),
      ])
    func count(_ number: UInt64) -> MarkupTable.Cell { .init("\(number)", Double(number)) }
    for thread in ledger.threads {
      let (ticks, ring) = (thread.ticks, thread.ring)
      threads.rows.append([
        .init("\(thread.thread)" + (thread.cpu.map { " on CPU \($0)" } ?? "")),
        count(ticks.deadlines), count(ticks.onTime), count(ticks.late), count(ticks.skipped),
        .init(Readable.duration(ticks.latenessMaximum), Double(ticks.latenessMaximum)),
        count(ring.pushed), count(ring.drained), count(ring.dropped),
        ticks.isExact && ring.isExact ? .init("yes") : .init("no", style: "bad"),
      ])
    }
    threads.write(to: &page)
    page.own("<details><summary>By collector</summary>\n")
    var table = MarkupTable(
      "\(prefix(index))acquisitions by collector",
      [
        ("collector", false), ("acquisitions", true), ("without values", true),
        ("counter resets", true), ("steps back", true), ("wraps", true), ("records", true),
        ("records lost", true), ("time each", true), ("system calls", true),
      ])
    for line in ledger.threads.flatMap(\.collectors) {
      let each = line.acquisitions == 0 ? 0 : line.nanoseconds / line.acquisitions
      table.rows.append([
        .init(line.collector), count(line.acquisitions), count(line.gaps.values.reduce(0, &+)),
        count(line.resets), count(line.stepsBack), count(line.wraps), count(line.records),
        count(line.recordsLost), .init(Readable.duration(each), Double(each)),
        count(line.systemCalls),
      ])
    }
    table.write(to: &page)
    page.own("</details>\n")
  }

  private func cost(_ overhead: Overhead, _ index: Int, _ page: inout Markup) {
    let sampling = overhead.samplingThreadNanoseconds.reduce(0, &+)
    var table = MarkupTable(
      "\(prefix(index))own cost of lbsample over \(Readable.duration(overhead.elapsedNanoseconds))",
      [("", false), ("", true)])
    table.rows = [
      [
        .init("CPU time"),
        .init(
          "\(Readable.duration(overhead.processNanoseconds)) "
            + "(\(Readable.percent(overhead.processFraction)) of one CPU)",
          Double(overhead.processNanoseconds)),
      ],
      [.init("of it sampling"), .init(Readable.duration(sampling), Double(sampling))],
      [
        .init("of it drain"),
        .init(Readable.duration(overhead.drainNanoseconds), Double(overhead.drainNanoseconds)),
      ],
      [
        .init("written"),
        .init(DigestText.bytes(Double(overhead.bytesWritten)), Double(overhead.bytesWritten)),
      ],
      [
        .init("memory locked"),
        .init(DigestText.bytes(Double(overhead.memoryLocked)), Double(overhead.memoryLocked)),
      ],
    ]
    if let resident = overhead.memoryResident {
      table.rows.append(
        [.init("memory resident"), .init(DigestText.bytes(Double(resident)), Double(resident))])
    }
    table.write(to: &page)
  }

  /// The maximum number of reasons in the list.
  private static let mostReasons = 50

  private func contamination(_ run: ReportedRun, _ page: inout Markup) {
    guard run.result.kind != "sample" else { return }
    let isPlain = run.result.phases.count == 1
    let lines = run.attempts.flatMap { phase, repetition, attempt in
      attempt.contamination.map {
        "\(isPlain ? "" : "\(phase.name), ")repetition \(repetition.title)"
          + "\(repetition.attempts.count > 1 ? ", attempt \(attempt.attempt)" : ""): \($0)"
      }
    }
    guard !lines.isEmpty else {
      return page.element("p", "No repetition is contaminated.")
    }
    page.element("h4", "Contaminated repetitions")
    page.list(Array(lines.prefix(Self.mostReasons)), class: "bad")
    if lines.count > Self.mostReasons {
      page.element(
        "p", "\(lines.count - Self.mostReasons) more reasons are in the table of repetitions.")
    }
  }

  private func hosts(_ page: inout Markup) {
    let names = Set(runs.flatMap(\.result.host.keys)).sorted()
    guard !names.isEmpty else { return }
    let isOne = runs.count == 1
    func differs(_ name: String) -> Bool {
      !isOne && Set(runs.map { $0.result.host[name].map(ExactText.init) }).count > 1
    }
    var table = MarkupTable(
      isOne ? "host" : "hosts, differences first",
      [("", false)] + runs.indices.map { (isOne ? "" : letter($0), false) })
    table.id = "hosts"
    for name in names.filter(differs) + names.filter({ !differs($0) }) {
      let style = differs(name) ? "changed" : ""
      table.rows.append(
        [.init(name)] + runs.map { .init($0.result.host[name] ?? "-", style: style) })
    }
    page.own("<details><summary>")
    let count = names.filter(differs).count
    page.text(
      isOne ? "Host" : count == 0 ? "Hosts: alike" : "Hosts: \(Counted.text(count, "difference"))")
    page.own("</summary>\n")
    table.write(to: &page)
    page.own("</details>\n")
  }
}
