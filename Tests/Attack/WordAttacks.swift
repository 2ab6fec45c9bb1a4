import Foundation
import TestSupport

/// Names, requests, options and descriptors, put together at random.
enum WordAttacks {
  private static let pieces = [
    "\u{1b}[31m", "\u{1b}]0;owned\u{7}", "\n", "\r", "\t", "\u{1}", "\u{7f}", "\u{9b}", "\u{202e}",
    "\u{2066}", "\u{feff}", "\u{301}", ",\u{301}", "\"\u{301}", "=\u{301}", ",", "\"", "'", "=",
    "@", "-", "--", "$(touch executed)", "`touch executed`", "; touch executed; ", "../", "/", "..",
    ".", "%s%n", "{a}", "[1]", "\\", "\\n", "*", "?", "~", "#", " ", "a", "b", "eth0", "last", "1",
    "\u{fffd}", "\u{10ffff}", "2026-01-01 00:00:00 info run.end: forged",
  ]

  private static func word(_ chance: inout SeededGenerator) -> String {
    var text = ""
    for _ in 0..<chance.below(6) { text += chance.pick(pieces) }
    return text
  }

  /// A name wherever one is taken.
  static func name(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    let name = word(&chance).quoted
    return """
      name=\(name)
      any run --name "$name" --label "k=$name" --env "V=$name" -- echo "$name"
      any run --label "$name" -- true
      any run --metric "$name=(x)" --parameter "p=$name" -- echo "{p}"
      any run --command "$name" --dry-run
      any runs show --journal last
      any runs show "$name"
      any runs list
      any --cpu -i 10ms --count 1 --only "$name" --cgroup "$name"
      any --cpu -i 10ms --count 1 --require "$name" --log-file log
      any run --plan "$name" --input "$name" -- "$name"
      any config check "$name"
      any arm --control "$D/none/$name" --cpu
      absent executed
      """
  }

  private static let requestPieces = [
    "{", "}", "[", "]", "\"", ":", ",", "\\", "\\u0000", "\\ud800", "\n", "\r\n", " ", "\t",
    "\u{1}", "\u{fc}", "\u{202e}", "null", "true", "0", "-1", "1e999", "\"request\"", "\"label\"",
    "\"name\"", "\"x\"", "\"start\"", "\"stop\"", "\"mark\"", "\"status\"",
    "{\"request\":\"start\",\"label\":\"one\"}\n", "{\"request\":\"stop\"}\n",
    "{\"request\":\"mark\",\"name\":\"m\"}\n", "{\"request\":\"status\"}\n",
    "{\"request\":\"start\",\"label\":\"\\u001b[31m\\n\"}\n",
  ]

  /// What a program may send to an armed sampler.
  static func requests(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    for number in 0..<4 {
      var text = ""
      for _ in 0..<chance.below(30) { text += chance.pick(requestPieces) }
      var bytes = Array(text.utf8)
      if chance.chance(0.3) { _ = Damage.apply(&chance, to: &bytes) }
      try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/request-\(number)"))
    }
    return """
      . \(place.cases.quoted)/sockets.bash
      armed --record r.lbsample
      for number in 0 1 2 3; do $HELPER send s 0.05 <request-$number >answers; done
      ask '{"request":"status"}\\n'
      has answers '"ok"'
      disarmed
      any runs show --journal r.lbsample
      """
  }

  private static let commands = [
    "--cpu -i 5ms --count 3", "--cpu -i 5ms --count 3 --format csv",
    "--cpu -i 5ms --count 3 --format ndjson", "--cpu -i 5ms --count 3 -o o.csv",
    "--all -i 20ms --count 2", "run --cpu -- echo x", "run --show-output -- echo x",
    "run --result r.json -- false", "run --events e -- true", "run --log-file l -- true",
    "runs show run.lbsample", "runs list --runs-dir .", "export run.lbsample",
    "export --format ndjson run.lbsample", "export --format lb -o lb run.lbsample",
    "runs bundle run.lbsample -o t.tgz", "config show", "doctor", "collectors", "--help",
    "--version", "run --plan p.toml", "--cpu -i 5ms --count 3 --record n.lbsample",
  ]

  /// A command whose descriptors are closed, full or of another kind, under limits.
  static func descriptors(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    let input = chance.pick([
      "<&-", "</dev/null", "</dev/zero", "<.", "</dev/full", "<run.lbsample",
    ])
    let output = chance.pick([">&-", ">/dev/full", ">/dev/null", ">out", ">>run.json", "1<."])
    let error = chance.pick(["2>&-", "2>/dev/full", "2>/dev/null", "2>err", "2<."])
    let more = chance.pick(["", "", "3<&0", "3</dev/zero 4>/dev/null 9<.", "7<run.lbsample"])
    let limits = [
      "-n \(4 + chance.below(40))", "-f \(chance.below(300))", "-s \(64 + chance.below(4000))",
      "-l 0", "-c 0",
    ]
    let limit = chance.chance(0.5) ? chance.pick(limits) : "-c 0"
    let command = chance.pick(commands)
    // Where not even the program is loaded the loader says so.
    return """
      base run
      (ulimit \(limit) && "$LB" --version >/dev/null 2>&1) || exit 0
      limited '\(limit)' any \(command) \(input) \(output) \(error) \(more)
      """
  }

  private static let optionWords = [
    "--cpu", "--net", "--all", "--memory", "--vm", "--top", "--process", "--tree", "--cgroup",
    "--footprint", "--per-thread", "--perf", "--packets", "--packets-file", "-i", "--interval",
    "--count", "--format", "-o", "--record", "--name", "--only", "--except", "--pin", "--cpus",
    "--priority", "--budget", "--align", "--raw", "--proc-root", "--sys-root", "--config",
    "--require",
    "run", "runs", "show", "export", "arm", "--control", "-r", "-w", "--timeout", "--label",
    "--env",
    "--plan", "--command", "-L", "--parameter-scan", "--until", "--metric", "--metric-json", "--",
    "--resume", "--result", "--events", "--set-host", "--allow", "--workspace", "--max-wall",
    "--max-bytes", "--max-ring-memory", "--cpu-interval", "--json-errors", "--dry-run", "true",
  ]

  private static let operands = [
    "", "0", "1", "3", "-1", "18446744073709551615", "1e30", "nan", "10ms", "1ns", "0s", "1h", "x",
    "csv", "ndjson", "f", "/dev/full", "/dev/zero", ".", "..", "none/x", "auto", "0-99999",
    "a=1", "a=1,2", "=", "n=1:9:0", "ci<=1%", "0%", "100%", "self", "cycles", "{cycles}", "lo",
    "any",
    "*", "[", "(", "a=(", "m=x([0-9]+)", "jobs[0].x", "last", "echo", "fifo:99", "aslr=9", "empty",
    "git:x", "\u{1b}[31m", "\u{202e}", "a,\u{301}b",
  ]

  /// Options in an order that nobody means.
  static func options(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    var lines: [String] = []
    for _ in 0..<4 {
      var words = chance.chance(0.5) ? ["--count", "2", "-i", "10ms"] : ["run", "--cpu"]
      for _ in 0..<chance.below(7) {
        words.append(chance.pick(chance.chance(0.6) ? optionWords : operands))
      }
      if words[0] == "run" { words += ["--", "true"] }
      let text = words.map(\.quoted).joined(separator: " ")
      // Many of them have no end of their own: a stop comes soon, by the limit at last.
      lines.append(
        """
        timeout --preserve-status -s TERM -k 3 0.6 "$LB" \(text) </dev/null >out 2>err
        code=$?
        [ $code = 143 ] || judge any $code \(text)
        """)
    }
    return lines.joined(separator: "\n")
  }
}
