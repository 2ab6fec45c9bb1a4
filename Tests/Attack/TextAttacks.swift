import Foundation
import TestSupport

/// Configuration files and plans that nobody would write.
enum TextAttacks {
  private static let pieces = [
    "[", "[[", "]", "]]", "{", "}", "a", "b", "a.b", ".", "=", " = ", ",", "\n", "\n", "\n", "\"",
    "\"\"\"", "'", "'''", "#", "1", "-", "+", "_", "0x", "0b", "1e", "1.", ".5", "inf", "nan",
    "true", "tru", "1979-05-27", "T07:32:00", "Z", "07:32", "\\", "\\u", "\\U0010FFFF", "\\ud800",
    "\u{fc}", "\u{a0}", "\u{2028}", "\u{feff}", "\u{202e}", " ", "\t", "\r\n", "\r", "\u{0}",
    "\u{1}", "\u{1b}[31m", "\u{7f}", "[]", "{}", "= []\n", "= {}\n", "= [1]\n", "\"a\"",
    "a = 1\n", "[a]\n", "[[a]]\n", "[a.b]\n", "[[a.b]]\n", "9223372036854775808", "1__0", "00",
  ]

  private static let lines = [
    "[[phase]]", "[[phase.phase]]", "[[phase.member]]", "[phase.env]", "[phase.parameters]",
    "[phase]", "[run]", "[sample]", "[sampling]", "[perf]", "[derived]", "[fallback]", "[gates]",
    "name = \"one\"", "name = \"two-{a}\"", "name = \"..\"", "kind = \"command\"",
    "kind = \"parallel\"", "kind = \"repeat\"", "kind = \"when\"", "kind = \"include\"",
    "kind = \"background\"", "kind = \"approve\"", "kind = \"workload\"", "command = \"true\"",
    "command = [\"true\", 1]", "command = \"echo '\"", "command = []", "file = \"p.toml\"",
    "file = \"/dev/zero\"", "file = \"c.conf\"", "repetitions = 3", "repetitions = -1",
    "repetitions = 9223372036854775807", "warmup = \"{a}\"", "timeout = \"1s\"",
    "timeout = \"99999999999h\"", "cooldown = \"1e400s\"", "interval = \"0s\"",
    "interval = \"1ns\"", "when = \"one.wall_time < 1s\"", "condition = \"host.cpus >= 1\"",
    "condition = \"((host.cpus)\"", "condition = \"available.cpu == 1\"",
    "parameters = { a = [1, 2, 3] }",
    "parameters = { a = { from = 0, to = 1e308, step = 1e-308 } }",
    "slowest_first = [\"a\", \"z\"]",
    "on_failure = \"two\"", "on_failure = \"one\"", "validate = \"soft\"", "order = \"random:-1\"",
    "free_ports = [\"a\", \"a\", \"b\"]", "checkpoint = \"/\"", "checkpoint = \"..\"",
    "workspace = \"git:--upload-pack=touch executed\"", "workspace = \"../..\"",
    "keep_limit = -1", "setup = \"touch executed\"", "collectors = [\"cpu\", \"\", \"nosuch\"]",
    "perf = \"{cycles\"", "packets = \"\"", "format = 3", "runs_dir = \"/dev/null\"",
    "pin = \"9999999\"", "priority = \"fifo:100\"", "bad = \"( cycles\"", "x = { y = { z = [] } }",
    "measured = true", "measured = \"yes\"", "idempotent = true", "retries = 1000000",
  ]

  static func sibling(
    _ chance: inout SeededGenerator, _ folder: String, _ place: Place
  ) throws -> String {
    var text = ""
    switch chance.below(3) {
    case 0:
      for _ in 0...chance.below(14) { text += chance.pick(pieces) }
    case 1:
      for _ in 0...chance.below(16) { text += chance.pick(lines) + "\n" }
    default:
      // What begins right is looked at further.
      text = "[[phase]]\nname = \"one\"\ncommand = \"true\"\n"
      for _ in 0...chance.below(12) {
        text += chance.chance(0.8) ? chance.pick(lines) + "\n" : chance.pick(pieces)
      }
    }
    var bytes = Array(text.utf8)
    if chance.chance(0.15) { _ = Damage.apply(&chance, to: &bytes) }
    for name in ["c.conf", "p.toml", "collectors.conf"] {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    let words = bytes.map { byte in
      (32..<127).contains(byte) && ![34, 36, 37, 39, 92, 96].contains(byte)
        ? String(UnicodeScalar(byte)) : "\\" + octal(byte)
    }
    return """
      # printf '\(words.joined())'
      any config check c.conf
      any config show --config c.conf
      any run --plan p.toml --dry-run
      any --cpu -i 10ms --count 1
      absent executed
      """
  }

  /// Three digits, as printf(1) has them.
  private static func octal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 8)
    return String(repeating: "0", count: 3 - digits.count) + digits
  }
}
