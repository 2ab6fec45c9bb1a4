import ArgumentParser
import Collectors
import Foundation
import LinuxSystem
import Output
import PerfEvents
import SampleModel
import Sampler

/// `lbsample collectors`: what can be sampled.
struct CollectorsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "collectors",
    abstract: "List all collectors and metrics, and which of them this host offers.")
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text or json.", valueName: "format"))
  var format = "text"
  @Flag(help: "List the performance events of this host, or those that match the given patterns.")
  var perf = false
  @OptionGroup var mounts: MountOptions
  @Argument(help: "Only these collectors; with --perf, events that match, as in 'sched:*'.")
  var names: [String] = []

  private struct Entry: Encodable {
    var description: CollectorDescription
    var availability: String
    var reason: String
    var fix: String?
  }

  private struct Event: Encodable {
    var name: String
    var kind: String
  }

  private func listEvents() throws {
    let sources = EventSources(mounts.roots)
    let resolver = EventResolver(sources)
    let events = (names.isEmpty ? ["*"] : names).flatMap { resolver.names(matching: $0) }
      .map { Event(name: $0.name, kind: $0.kind) }
    if let missing = sources.tracingIsMissing { Console.say("lbsample: \(missing)") }
    if format == "json" {
      try Console.write(try JSONText.encode(events, pretty: true) + "\n")
      return
    }
    let rows = events.map { [$0.name, $0.kind] }
    try Console.show(
      TextTable.lines(rows, leftColumns: 2).map { $0 + "\n" }.joined())
  }

  func run() throws {
    try Formats.check(format, of: ["text", "json"])
    try mounts.check()
    guard !perf else { return try listEvents() }
    let registry = CollectorRegistry.host()
    let known = registry.collectors.map(\.description.name)
    for name in names where !known.contains(name) {
      throw LBError(
        .configuration,
        "unknown collector '\(name)'\(Nearest.hint(Nearest.word(to: name, in: known))); "
          + "run 'lbsample collectors' for the list")
    }
    let context = CollectorContext(roots: mounts.roots)
    let entries = registry.collectors
      .filter { names.isEmpty || names.contains($0.description.name) }
      .map { collector in
        let availability = collector.probe(context)
        var fix: String?
        if case .denied(_, let way) = availability { fix = way }
        return Entry(
          description: collector.description, availability: availability.word,
          reason: availability.reason, fix: fix)
      }
    if format == "json" {
      try Console.write(try JSONText.encode(entries, pretty: true) + "\n")
      return
    }
    var text = ""
    for entry in entries {
      let description = entry.description
      text += "\(description.name): \(description.summary)\n"
      let isThere = entry.reason.isEmpty
      text += "  status     \(isThere ? entry.availability : "not available")"
      text += entry.reason.isEmpty ? "\n" : ": \(entry.reason.shownInLine)\n"
      if let fix = entry.fix { text += "  fix        \(fix.shownInLine)\n" }
      text += "  source     \(description.sourceFromRoot)\n"
      text += "  since      Linux \(description.minimumKernel)\n"
      text += "  privilege  \(description.privilege)\n"
      text += "  cost       \(description.cost.rawValue), "
      let calls = Counted.text(description.systemCallsPerSample, "system call")
      text += "about \(calls) per sample\n"
      if description.minimumInterval > 0 {
        text += "  interval   \(Durations.text(description.minimumInterval)) or longer by default\n"
      }
      if description.isOpen {
        text += "  fields     these, plus any others found in the file\n"
      }
      let rows = description.metrics.map { metric in
        [
          "    \(description.prefix).\(metric.name)"
            + (metric.extent == .instance ? "[…]" : ""),
          metric.kind.rawValue, metric.unit == .celsius ? "°C" : metric.unit.rawValue,
          metric.meaning
            + (metric.resolution.map { "; updated every \(Durations.text($0))" } ?? ""),
        ]
      }
      text += TextTable.lines(rows, leftColumns: 4).joined(separator: "\n") + "\n\n"
    }
    try Console.show(String(text.dropLast()))
  }
}
