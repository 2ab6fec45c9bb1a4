import LinuxSystem
import Output
package import RunAnalysis
import SampleModel

/// A self-contained HTML page about runs. It makes no request, and its content security policy
/// forbids any. Texts and tables do not need its script. The same runs give the same bytes.
package struct ReportPage {
  let runs: [ReportedRun]
  let comparison: Comparison?
  /// The reason why several runs are not compared.
  let incomparable: String?
  let version: String

  /// A page about `runs`, made by lbsample `version`.
  package init(
    runs: [ReportedRun], comparison: Comparison?, incomparable: String? = nil, version: String
  ) {
    self.runs = runs
    self.comparison = comparison
    self.incomparable = incomparable
    self.version = version
  }

  /// The letter of a run, which all sections use; empty if it is the only one.
  func letter(_ index: Int) -> String {
    guard runs.count > 1 else { return "" }
    return runs[index].letter.isEmpty ? Comparison.letter(index) : runs[index].letter
  }

  /// The letter as a prefix of texts about a run.
  func prefix(_ index: Int) -> String { runs.count > 1 ? "\(letter(index)): " : "" }

  /// The page, in UTF-8.
  package func html() -> [UInt8] {
    var page = Markup()
    let title = "lbsample: " + runs.map(\.name).joined(separator: ", ").shortened(to: 200)
    page.own("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
    page.open(
      "meta",
      [
        ("http-equiv", "Content-Security-Policy"),
        (
          "content",
          "default-src 'none'; script-src '\(Self.hash(ReportScript.text))'; "
            + "style-src '\(Self.hash(ReportStyle.text))'; base-uri 'none'; form-action 'none'"
        ),
      ])
    page.own("\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
    page.own("<meta name=\"color-scheme\" content=\"light dark\">\n")
    page.own("<meta name=\"referrer\" content=\"no-referrer\">\n")
    page.open("meta", [("name", "generator"), ("content", "lbsample \(version)")])
    page.element("title", title)
    page.own("<style>")
    page.own(ReportStyle.text)
    page.own("</style>\n</head>\n<body>\n")
    page.own("<a class=\"skip\" href=\"#main\">Skip to the results</a>\n<header>\n")
    page.element("h1", runs.count == 1 ? runs[0].result.runID : "\(runs.count) runs")
    navigation(&page)
    page.own("</header>\n<main id=\"main\">\n")
    summary(&page)
    timeline(&page)
    trust(&page)
    if hasRepetitions { repetitions(&page) }
    if hasMetrics { metrics(&page) }
    if hasJournal { journal(&page) }
    page.own("</main>\n<footer>")
    page.element("p", "Made by lbsample \(version). Times are UTC.")
    page.own("</footer>\n<script type=\"application/json\" id=\"data\">")
    page.own(data: Markup.data(PageData(self).json()))
    page.own("</script>\n<script>")
    page.own(ReportScript.text)
    page.own("</script>\n</body>\n</html>\n")
    return page.buffer.bytes
  }

  /// The hash by which the content security policy allows an inline script or style.
  private static func hash(_ text: String) -> String {
    let digits = Array(SHA256.hex(of: Array(text.utf8)).utf8)
    let bytes = stride(from: 0, to: digits.count, by: 2).map { index in
      UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
    }
    return "sha256-" + Base64.text(bytes)
  }

  private var hasCharts: Bool { runs.contains { $0.series != nil } }
  private var hasRepetitions: Bool { runs.contains { $0.result.kind != "sample" } }
  private var hasMetrics: Bool {
    runs.contains { $0.result.phases.contains { !$0.metrics.isEmpty } }
  }
  private var hasJournal: Bool { runs.contains { !$0.journal.isEmpty } }

  /// Links to the page's sections, in order.
  private func navigation(_ page: inout Markup) {
    let sections: [(id: String, name: String, isThere: Bool)] = [
      ("summary", "Summary", true), ("comparison", "Comparison", comparison != nil),
      ("timeline", "Timeline", hasCharts), ("trust", "Can it be trusted?", true),
      ("repetitions", "Repetitions", hasRepetitions), ("metrics", "All metrics", hasMetrics),
      ("journal", "Journal", hasJournal),
    ]
    page.own("<nav aria-label=\"Sections\"><ul>")
    for section in sections where section.isThere {
      page.own("<li><a href=\"#\(section.id)\">\(section.name)</a></li>")
    }
    page.own("</ul></nav>\n")
  }

  /// The section to which the script adds charts.
  private func timeline(_ page: inout Markup) {
    guard hasCharts else { return }
    page.own(
      "<section id=\"timeline\"><h2>Timeline</h2>\n<noscript><p class=\"note\">Charts need "
        + "JavaScript; all else is on this page.</p></noscript>\n"
        + "<div id=\"charts\" hidden></div>\n</section>\n")
  }
}
