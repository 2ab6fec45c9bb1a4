import Output
import RunAnalysis
import SampleModel

/// The summary: facts, digest and findings of each run.
extension ReportPage {
  func summary(_ page: inout Markup) {
    page.own("<section id=\"summary\"><h2>Summary</h2>\n")
    for (index, run) in runs.enumerated() {
      if runs.count > 1 { page.element("h3", "\(letter(index)): \(run.name)") }
      facts(run, &page)
      page.list(run.lacks, class: "bad")
      let isOnly = run.result.phases.count == 1
      for phase in run.result.phases where run.result.kind != "sample" {
        if !isOnly { page.element("h3", "\(prefix(index))phase \(phase.name)") }
        digest(phase, run, index, &page)
        findings(run.findings[phase.name], &page)
      }
      if let recorded = run.recorded { digest(recorded.digest, recorded.processes, &page) }
      page.list(run.result.errors.map { "error: \($0)" }, class: "bad")
    }
    page.own("</section>\n")
    if let comparison { compare(comparison, &page) }
    if let incomparable { page.element("p", incomparable, [("class", "note")]) }
  }

  private func facts(_ run: ReportedRun, _ page: inout Markup) {
    let result = run.result
    var facts: [(String, String)] = [("run", result.runID)]
    var status = result.status.rawValue
    if let duration = result.durationNanoseconds { status += " in \(Readable.duration(duration))" }
    facts.append(("status", status))
    let started = CivilTime(unixSeconds: Int64(result.startUnixNanoseconds / 1_000_000_000))
    facts.append(("started", "\(started.text) UTC"))
    for (key, value) in result.labels.sorted(by: { $0.key < $1.key })
    where !RunResult.ownLabels.contains(key) {
      facts.append(("label", "\(key)=\(value)"))
    }
    for phase in result.phases where !phase.command.isEmpty {
      let name = result.phases.count == 1 ? "command" : "command of \(phase.name)"
      facts.append((name, phase.command.joined(separator: " ")))
    }
    var host: [String] = []
    if let name = result.host["hostname"] { host.append(name) }
    if let cpus = result.host["cpus"] {
      host.append("\(cpus) CPUs" + (result.host["cpu_model"].map { " (\($0))" } ?? ""))
    }
    if let kernel = result.host["kernel"] { host.append("Linux \(kernel)") }
    if !host.isEmpty { facts.append(("host", host.joined(separator: ", "))) }
    if let file = result.file {
      facts.append(("file", String(file.split(separator: "/").last ?? "")))
    }
    page.own("<dl>\n")
    for (name, value) in facts {
      page.own("<div>")
      page.element("dt", name)
      page.element("dd", value, value.utf8.count > Markup.longText ? [("class", "long")] : [])
      page.own("</div>\n")
    }
    page.own("</dl>\n")
  }

  private func digest(
    _ phase: PhaseResult, _ run: ReportedRun, _ index: Int, _ page: inout Markup
  ) {
    let digest = Digest(phase, run.digest)
    let shown = digest.present.filter { !$0.isZero }
    let counted = phase.repetitions.filter { !$0.warmUp }
    let completed = Counted.text(digest.attempts, "completed attempt")
    guard !shown.isEmpty else {
      return page.element(
        "p", "No digest: \(completed) at \(Counted.text(counted.count, "repetition")).",
        [("class", "note")])
    }
    var table = MarkupTable(
      "\(prefix(index))digest of \(completed) at "
        + "\(Counted.text(counted.count, "counted repetition"))",
      [
        ("", false), ("", false), ("median", true), ("median's 95 % CI", true), ("MAD", true),
        ("of", true),
      ])
    table.id = index == 0 && phase.name == run.result.phases.first?.name ? "digest" : ""
    for entry in shown {
      let interval = entry.interval.map {
        "\(DigestText.value($0.low, entry.unit)) … \(DigestText.value($0.high, entry.unit))"
      }
      table.rows.append([
        .init(entry.row.name), .init(entry.row.group),
        .init(DigestText.value(entry.median ?? .nan, entry.unit), entry.median),
        .init(interval ?? "-"),
        .init(DigestText.value(entry.spread ?? .nan, entry.unit), entry.spread),
        .init("\(entry.count)", Double(entry.count)),
      ])
    }
    table.write(to: &page)
    let zero = digest.present.filter(\.isZero).map { "\($0.row.group): \($0.row.name)" }
    if !zero.isEmpty {
      page.element("p", "0 in every repetition: \(zero.joined(separator: "; "))")
    }
    if digest.attempts < 6 {
      page.element("p", "The 95 % CI of a median needs at least 6 repetitions.")
    }
  }

  private func findings(_ findings: PhaseFindings, _ page: inout Markup) {
    guard !findings.findings.isEmpty else { return }
    page.element("h4", "Findings")
    page.own("<ul class=\"findings\">\n")
    for finding in findings.findings {
      page.open("li", [("class", finding.severity.rawValue)])
      page.element("b", "\(finding.id) (\(finding.severity.rawValue))")
      page.text(FindingLines.sentence(finding))
      for next in finding.next { page.element("code", next) }
      page.close("li")
    }
    page.own("</ul>\n")
  }

  private func digest(
    _ digest: RecordingDigest, _ processes: [[RecordingDigest.Process]], _ page: inout Markup
  ) {
    let shown = digest.entries.filter { $0.count > 0 && $0.maximum != 0 }
    var table = MarkupTable(
      "digest of \(Readable.duration(digest.span)), \(Counted.text(digest.frames, "frame"))",
      [
        ("", false), ("", false), ("mean", true), ("p95", true), ("max", true), ("max at", true),
      ])
    table.id = "digest"
    for entry in shown {
      table.rows.append([
        .init(entry.row.name), .init(entry.row.group),
        .init(DigestText.value(entry.mean, entry.unit), entry.mean),
        .init(DigestText.value(entry.percentile95, entry.unit), entry.percentile95),
        .init(DigestText.value(entry.maximum, entry.unit), entry.maximum),
        .init(
          "\(Readable.fixed(Double(entry.maximumElapsed / 1_000_000) / 1e3, 3)) s",
          Double(entry.maximumElapsed)),
      ])
    }
    table.write(to: &page)
    page.list(DigestText.busy(digest, processes).map { $0.trimmed }.filter { !$0.isEmpty })
  }
}

extension String {
  /// The text without leading and trailing spaces.
  fileprivate var trimmed: String {
    var text = self[...]
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
