import LinuxSystem
import Output
package import RunAnalysis
import SampleModel

/// One HTML page about runs, whole in itself: it asks no network for anything, and its policy
/// forbids it to. What is in words and tables is there without its script; the same runs give the
/// same bytes.
package struct ReportPage {
  let runs: [ReportedRun]
  let comparison: Comparison?
  /// Why runs that stand side by side are not compared.
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

  /// What a side is called in all sections: A, B, …; nothing of a single run.
  func letter(_ place: Int) -> String { runs.count > 1 ? Comparison.letter(place) : "" }

  /// Before a text about the run at `place`.
  func prefix(_ place: Int) -> String { runs.count > 1 ? "\(letter(place)): " : "" }

  /// The page's bytes: UTF-8.
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
    page.own("<div id=\"charts\" hidden></div>\n")
    page.own(
      "<noscript><p class=\"note\">Charts need JavaScript; all else is on this page.</p>"
        + "</noscript>\n")
    trust(&page)
    repetitions(&page)
    metrics(&page)
    journal(&page)
    page.own("</main>\n<footer>")
    page.element("p", "Made by lbsample \(version). Times are UTC.")
    page.own("</footer>\n<script type=\"application/json\" id=\"data\">")
    page.own(String(decoding: Markup.data(PageData(self).json()), as: UTF8.self))
    page.own("</script>\n<script>")
    page.own(ReportScript.text)
    page.own("</script>\n</body>\n</html>\n")
    return page.buffer.bytes
  }

  /// What a content security policy knows an inline script or style by.
  private static func hash(_ text: String) -> String {
    let digits = Array(SHA256.hex(of: Array(text.utf8)).utf8)
    let bytes = stride(from: 0, to: digits.count, by: 2).map { place in
      UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16) ?? 0
    }
    return "sha256-" + Base64.text(bytes)
  }

  private func navigation(_ page: inout Markup) {
    page.own("<nav aria-label=\"Sections\"><ul>")
    var links = [("summary", "Summary")]
    if comparison != nil { links.append(("comparison", "Comparison")) }
    links += [("trust", "Can it be trusted?")]
    if runs.contains(where: { $0.result.kind != "sample" }) {
      links.append(("repetitions", "Repetitions"))
    }
    links += [("metrics", "All metrics"), ("journal", "Journal")]
    for (id, name) in links { page.own("<li><a href=\"#\(id)\">\(name)</a></li>") }
    page.own("</ul></nav>\n")
  }
}
