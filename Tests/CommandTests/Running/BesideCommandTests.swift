import Foundation
import SampleModel
import TestSupport
import Testing

/// Servers and load beside what is measured, held against what /proc says of them.
@Suite(.serialized) struct BesideCommandTests {
  /// Of a process that runs elsewhere the kernel says what it had used at its last tick: 10 ms ago
  /// at the most.
  private static let tick = 10e6

  private func run(
    _ command: Command, _ plan: String, _ options: [String] = []
  ) throws -> (result: RunResult, error: String) {
    let path = command.folder.file("plan.toml")
    try Data(plan.utf8).write(to: URL(fileURLWithPath: path))
    let outcome = try command.start(
      ["run", "--config", "/dev/null", "--format", "json", "--plan", path] + options
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    return (
      try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8)), outcome.error
    )
  }

  private func attempts(_ result: RunResult, _ phase: String) throws -> [AttemptResult] {
    let found = try #require(
      result.phases.first { $0.name == phase }, "\(result.phases.map(\.name))")
    return found.repetitions.flatMap(\.attempts)
  }

  /// A server that uses a CPU for as long as it lives, and has its number in a file.
  private func server(_ pid: String) -> String {
    """
    [[phase]]
    name = "server"
    kind = "background"
    command = ["sh", "-c", "echo $$ > \(pid).new; mv \(pid).new \(pid); while :; do :; done"]
    ready_command = "test -e \(pid)"
    """
  }

  /// A client that looks twice at the server's /proc/PID/stat: the ticks that it used meanwhile,
  /// its pages and its number are the client's own metrics.
  private func client(_ pid: String) -> String {
    """
    command = ["sh", "-c", '''
    read p < \(pid); read a < /proc/$p/stat; sleep 0.3; read b < /proc/$p/stat
    set -- $a; before=$((${14} + ${15})); set -- $b
    echo ticks=$((${14} + ${15} - before)) pages=${24} pid=$p''']
    metrics = ["ticks=ticks=([0-9]+)", "pages=pages=([0-9]+)", "pid=pid=([0-9]+)"]
    """
  }

  /// The server's numbers of a bracket are those that the client saw within it, and not the
  /// client's.
  private func check(_ attempt: AttemptResult) throws {
    let metrics = attempt.metrics
    func value(_ name: String) throws -> Double { try #require(metrics[name], "\(name)") }
    let ticks = try value("workload.ticks") * 10e6
    let bracket = Double(attempt.bracketNanoseconds)
    let own = Double((attempt.userNanoseconds ?? 0) + (attempt.systemNanoseconds ?? 0))
    let times = try value("tree.utime[server]") + value("tree.stime[server]")
    let exact = try value("tree.sum_exec_runtime[server]")
    #expect(ticks > 50e6, "it hardly ran: \(ticks)")
    // Two counters in ticks of 10 ms each.
    #expect(times >= ticks && times <= bracket + 20e6, "\(times) of \(ticks) in \(bracket)")
    #expect(exact >= ticks - 20e6, "\(exact) of \(ticks)")
    #expect(exact <= bracket + Self.tick, "\(exact) in \(bracket)")
    if let clock = metrics["tree.task_clock[server]"] {
      #expect(abs(clock - exact) < 20e6, "\(clock) by perf, \(exact) by the kernel")
    }
    if let counted = metrics["perf.task-clock[server]"] {
      #expect(abs(counted - exact) < 20e6, "\(counted) counted, \(exact) by the kernel")
      #expect(metrics["perf.running[task-clock@server]"] == 1)
      #expect(try value("perf.task-clock") < own + 50e6, "the client's own")
    }
    #expect(metrics["tree.processes[server]"] == 1 && metrics["tree.forks[server]"] == nil)
    let resident = try value("workload.pages") * Double(sysconf(Int32(_SC_PAGESIZE)))
    let rss = try value("tree.rss[server]")
    let least = metrics["tree.rss[server].min"] ?? rss
    let most = metrics["tree.rss[server].max"] ?? rss
    #expect(least <= resident && resident <= most, "\(least) \(resident) \(most)")
    // The client's own tree is what wait4 says of it.
    let tree = try value("tree.utime") + value("tree.stime")
    #expect(abs(tree - own) <= 50e6, "\(tree), \(own) by wait4")
    #expect(try value("tree.sum_exec_runtime") < own + 50e6)
  }

  @Test func aServersTreeIsMeasuredInEachBracket() throws {
    let command = try Command()
    let pid = command.folder.file("pid")
    let (result, _) = try run(
      command,
      """
      [[phase]]
      name = "before"
      command = "true"
      \(server(pid))
      [[phase]]
      name = "client"
      repetitions = 2
      \(client(pid))
      """, ["-i", "20ms", "--memory", "--tree", "workload", "-e", "task-clock"])
    // Elsewhere in the plan: neither zero nor a gap.
    let before = try attempts(result, "before")[0]
    #expect(before.metrics["tree.forks"] != nil)
    #expect(before.metrics.keys.allSatisfy { !$0.contains("[server]") })
    let lines = before.ledger.threads.flatMap(\.collectors)
    let line = try #require(lines.first { $0.collector == "tree[server]" })
    #expect(line.acquisitions == 0 && line.gaps.isEmpty)
    if before.metrics["perf.task-clock"] != nil {
      #expect(try attempts(result, "client")[0].metrics["perf.task-clock[server]"] != nil)
    }
    let all = try attempts(result, "client")
    #expect(all.count == 2)
    for attempt in all { try check(attempt) }
    #expect(result.warnings.allSatisfy { !$0.contains("tree[server]") }, "\(result.warnings)")
    let summary = try #require(result.phases.last?.metrics)
    #expect(summary.first { $0.metric == "tree.rss[server]" }?.unit == "bytes")

    // Each record says whose it is.
    let server = try #require(all[0].metrics["workload.pid"]).rounded()
    let exported = try command("export", "last", "--config", "/dev/null", "--format", "ndjson")
    let records = try exported.objects().filter { $0["type"] as? String == "records" }
    func pids(_ collector: String) -> Set<Double> {
      let mine = records.filter { $0["collector"] as? String == collector }
      let rows = mine.flatMap { $0["rows"] as? [[String: Any]] ?? [] }
      return Set(rows.compactMap { $0["pid"] as? Double })
    }
    #expect(pids("tree[server]") == [server])
    #expect(!pids("tree").isEmpty && !pids("tree").contains(server))
    let csv = try command("export", "last", "--config", "/dev/null", "--format", "csv")
    #expect(csv.lines.first?.contains(",tree.rss[server],") == true)
    let rows = try command(
      "export", "last", "--config", "/dev/null", "--format", "csv", "--records", "process")
    #expect(rows.lines.contains { $0.contains(",tree[server],") })
    let shown = try command("runs", "show", "last", "--config", "/dev/null", "--all")
    #expect(shown.output.contains("tree.sum_exec_runtime[server]"), "\(shown.output)")
  }

  @Test func aMemberIsMeasuredBesideTheMeasuredOne() throws {
    let command = try Command()
    let (result, _) = try run(
      command,
      """
      [[phase]]
      name = "mix"
      kind = "parallel"
      repetitions = 2
      [[phase.member]]
      name = "load"
      command = ["sh", "-c", "while :; do :; done"]
      [[phase.member]]
      measured = true
      command = "sleep 0.2"
      """, ["--tree", "workload", "-i", "20ms"])
    for attempt in try attempts(result, "mix") {
      let used = try #require(attempt.metrics["tree.sum_exec_runtime[load]"])
      let bracket = Double(attempt.bracketNanoseconds)
      #expect(used > 15e6 && used <= bracket + Self.tick, "\(used) in \(bracket)")
      #expect(attempt.metrics["tree.processes[load]"] == 1)
      let own = try #require(attempt.metrics["tree.sum_exec_runtime"])
      #expect(own < 15e6, "sleep uses none of it: \(own)")
      #expect(attempt.metrics.keys.allSatisfy { !$0.contains("measured") })
    }
  }

  @Test func aServerThatIsBegunAgainIsAnotherProcess() throws {
    let command = try Command()
    let pid = command.folder.file("pid")
    let (result, _) = try run(
      command,
      """
      \(server(pid))
      [[phase]]
      name = "client"
      repetitions = 3
      conclude = "kill -9 $(cat \(pid)); rm \(pid)"
      \(client(pid))
      """, ["-i", "20ms"])
    let all = try attempts(result, "client")
    #expect(Set(all.compactMap { $0.metrics["workload.pid"] }).count == 3, "three processes")
    for attempt in all { try check(attempt) }
    #expect(result.warnings.contains { $0.contains(" was restarted; before: ") })
  }

  @Test func withoutATreeNothingBesideIsMeasured() throws {
    let command = try Command()
    let (result, _) = try run(
      command,
      """
      [[phase]]
      name = "server"
      kind = "background"
      command = "sleep 100"
      [[phase]]
      name = "client"
      command = "sleep 0.05"
      """, ["--cpu"])
    let attempt = try attempts(result, "client")[0]
    #expect(attempt.metrics.keys.allSatisfy { !$0.contains("server") })
    #expect(attempt.ledger.threads.flatMap(\.collectors).map(\.collector) == ["cpu"])
  }
}
