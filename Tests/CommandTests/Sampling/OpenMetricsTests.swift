import Foundation
import Glibc
import TestSupport
import Testing

/// `export --format openmetrics`, and `sample --textfile`.
@Suite struct OpenMetricsTests {
  @Test func anExportHasAllSamplesOfASeriesTogether() throws {
    let command = try Command()
    let recorded = try command(
      "--cpu", "--net", "-i", "20ms", "-c", "10", "--record", "r.lbsample", "--config",
      "/dev/null", "--quiet")
    #expect(recorded.code == 0, "\(recorded.error)")
    let outcome = try command("export", "r.lbsample", "--format", "openmetrics", "-o", "out")
    #expect(outcome.code == 0 && outcome.error.contains("families"), "\(outcome.error)")
    let text = try String(contentsOfFile: command.folder.file("out"), encoding: .utf8)
    #expect(text.hasSuffix("# EOF\n") && !text.contains("_created"))
    var ended = Set<String>()
    var current = ""
    var last = 0.0
    var values: [Double] = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      let series = words.dropLast(2).joined(separator: " ")
      if series != current {
        #expect(ended.insert(series).inserted, "\(series)")
        (current, last) = (series, 0)
      }
      let time = try #require(Double(words[words.count - 1]))
      #expect(time > last, "\(line)")
      last = time
      if series.hasPrefix("lbsample_cpu_ctxt_total{run=\"sample-") {
        values.append(try #require(Double(words[words.count - 2])))
      }
    }
    // The opening sample, and one of each deadline.
    #expect(values.count == 11 && values == values.sorted() && (values.first ?? 0) > 0)
    // In csv the same counter, without the opening sample.
    let csv = try command("export", "r.lbsample", "--raw", "--metric", "cpu.ctxt")
    let rows = csv.lines.dropFirst().compactMap { Double($0.split(separator: ",").last ?? "") }
    #expect(rows == Array(values.dropFirst()))
    // To standard output the same.
    #expect(try command("export", "r.lbsample", "--format", "openmetrics").output == text)
  }

  @Test func anExportOfARunSaysTheRepetition() throws {
    let command = try Command()
    let run = try command("run", "--quiet", "--cpu", "-r", "2", "--name", "two", "--", "true")
    #expect(run.code == 0, "\(run.error)")
    let text = try command(
      "export", "last", "--format", "openmetrics", "--metric", "cpu.ctxt"
    ).output
    for repetition in 1...2 {
      #expect(text.contains("repetition=\"\(repetition)\",attempt=\"1\"} "), "\(text)")
    }
    let one = try command(
      "export", "last", "--format", "openmetrics", "--metric", "cpu.ctxt", "--repetition", "2"
    ).output
    #expect(!one.contains("repetition=\"1\"") && one.contains("repetition=\"2\""))
    let bad = try command("export", "last", "--format", "openmetrics", "--long")
    #expect(bad.code == 2)
  }

  @Test func prometheusTakesAnExport() throws {
    let command = try Command()
    let recorded = try command(
      "--all", "-i", "20ms", "-c", "5", "--record", "r.lbsample", "--config", "/dev/null",
      "--quiet")
    #expect(recorded.code == 0, "\(recorded.error)")
    #expect(try command("export", "r.lbsample", "--format", "openmetrics", "-o", "out").code == 0)
    if PrometheusTools.python != nil { try PrometheusTools.parse(command, "out") }
    guard let promtool = PrometheusTools.promtool else {
      try Test.cancel("there is no promtool here (Debian: prometheus)")
    }
    let (code, text) = PrometheusTools.run(
      promtool,
      [
        "tsdb", "create-blocks-from", "openmetrics", command.folder.file("out"),
        command.folder.file("blocks"),
      ])
    #expect(code == 0, "\(text)")
  }

  @Test func aTextfileIsWholeAndReadable() throws {
    let command = try Command()
    let sample = "-i 20ms -c 3 --cpu --textfile t/x.prom --config /dev/null"
    let missing = try command.shell("exec \"$0\" \(sample)")
    #expect(missing.code == 5, "a folder that is not there: \(missing.text)")
    try command.folder.write("t/old.prom", "old")
    for _ in 0..<2 {
      // Read by another user, whatever the mask of this one.
      let written = try command.shell("umask 077; exec \"$0\" \(sample) 2>errors")
      #expect(written.code == 0 && written.text.isEmpty, "\(written.text)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: command.folder.file("t"))
    #expect(names.sorted() == ["old.prom", "x.prom"])
    var facts = stat()
    #expect(unsafe stat(command.folder.file("t/x.prom"), &facts) == 0)
    #expect(facts.st_mode & 0o777 == 0o644)
    let text = try String(contentsOfFile: command.folder.file("t/x.prom"), encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("lbsample_cpu_ctxt") })
    #expect(line.split(separator: " ").count == 2, "no time: \(line)")
    #expect(!text.contains("# EOF") && text.contains("lbsample_deadlines_total{thread=\"0\""))
    try command.folder.write("plain", text)
    try PrometheusTools.lint(command, "plain")
  }

  @Test func nothingButAFileIsReplaced() throws {
    let command = try Command()
    for path in ["/dev/null", command.folder.path] {
      let outcome = try command("--cpu", "-c", "1", "-i", "10ms", "--textfile", path)
      #expect(outcome.code == 2 && outcome.error.contains("not a regular file"))
    }
    let both = try command(
      "--cpu", "-c", "1", "-i", "10ms", "--textfile", "x", "--format", "csv", "-o", "x")
    #expect(both.code == 2 && both.error.contains("same file"), "\(both.error)")
  }
}
