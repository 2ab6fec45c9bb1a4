// Attacks the command as hostile users, files and hosts would:
// `attack LBSAMPLE [TRIES [SEED [ONLY]]]`.
//
// Of each kind every case that is written down is tried, and TRIES siblings of them, which SEED
// makes. A try has a limit of time; no signal may end the command, a failure may not end with 0,
// what is guarded stays, nothing is left behind, and nothing that is said has control characters.
// Prints a line a kind, each try that failed with its script and with what repeats it, and ends
// with 1 where there was one. ONLY is a kind, or KIND:CASE. `helper` is what cases call.

import Glibc
import LinuxSystem

/// What the tries of one kind came to.
struct Tally {
  var tries = 0
  var failures = 0
  /// Reasons, each with how many tries were skipped for it.
  var skipped: [String: Int] = [:]
}

@main
struct Attack {
  private let place: Place
  private let tries: Int
  private let seed: UInt64
  private let only: Choice?

  /// The kind, and the case of it, that is to be tried alone.
  private struct Choice {
    let kind: String
    let name: String?

    /// `KIND` or `KIND:CASE`; nil of an empty text.
    init?(_ text: String) {
      let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
      guard let first = parts.first else { return nil }
      kind = first
      name = parts.count > 1 ? parts[1] : nil
    }
  }

  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "helper" { try Helper.run(Array(arguments.dropFirst())) }
    let words = arguments + Array(repeating: "", count: max(0, 4 - arguments.count))
    guard (1...4).contains(arguments.count), let tries = number(words[1], or: 100),
      let seed = number(words[2], or: 1), tries <= 1_000_000
    else {
      print("usage: attack LBSAMPLE [TRIES [SEED [KIND[:CASE]]]]")
      exit(2)
    }
    let isHeld = try run(words[0], tries: Int(tries), seed: seed, only: Choice(words[3]))
    exit(isHeld ? 0 : 1)
  }

  /// Tries `lbsample`. What was made for it is gone when this returns.
  private static func run(
    _ lbsample: String, tries: Int, seed: UInt64, only: Choice?
  ) throws -> Bool {
    try Attack(place: Place(lbsample: lbsample), tries: tries, seed: seed, only: only).run()
  }

  private static func number(_ word: String, or standard: UInt64) -> UInt64? {
    word.isEmpty ? standard : UInt64(word)
  }

  /// Tries all of them; whether all of them held.
  private func run() throws -> Bool {
    var failures = 0
    let kinds = try Kind.all(place)
    if let only, !kinds.contains(where: { $0.name == only.kind }) {
      print("no kind is called \(only.kind): \(kinds.map(\.name).joined(separator: ", "))")
      return false
    }
    let sealed = place.isSealed ? "; a changed file is refused" : ""
    print("seed \(seed), \(place.lanes) tries at a time\(sealed)")
    for kind in kinds where only == nil || only?.kind == kind.name {
      let tally = try run(kind)
      failures += tally.failures
      let skipped = tally.skipped.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      let count = tally.skipped.values.reduce(0, +)
      print(
        "\(kind.name): \(tally.tries) tries, \(tally.failures) failures, \(count) skipped"
          + (skipped.isEmpty ? "" : " (\(skipped.joined(separator: ", ")))"))
    }
    print(failures == 0 ? "nothing failed" : "\(failures) tries failed")
    return failures == 0
  }

  private func run(_ kind: Kind) throws -> Tally {
    var waiting = kind.trials(tries, seed: seed)
    if let name = only?.name { waiting.removeAll { $0.name != name } }
    waiting.reverse()
    var tally = Tally()
    var running: [Trial] = []
    while !waiting.isEmpty || !running.isEmpty {
      while running.count < place.lanes, let next = waiting.popLast() {
        running.append(try Trial(kind, next, place))
      }
      _ = Poll.wait(
        readable: running.map(\.exitDescriptor), until: Clock.monotonic() + 20_000_000)
      var rest: [Trial] = []
      for trial in running {
        guard let verdict = try trial.verdict() else {
          rest.append(trial)
          continue
        }
        if let reason = verdict.skipped {
          tally.skipped[reason, default: 0] += 1
        } else {
          tally.tries += 1
        }
        guard !verdict.faults.isEmpty else { continue }
        tally.failures += 1
        print("FAILED \(kind.name):\(trial.name)")
        for fault in verdict.faults.prefix(10) { print("  \(fault.printable)") }
        let name = "\(kind.name):\(trial.name)"
        print("  repeated by: make attack SEED=\(seed) TRIES=\(tries) ONLY=\(name)")
        for line in trial.script.split(separator: "\n") { print("    \(line.printable)") }
      }
      running = rest
    }
    return tally
  }
}

extension StringProtocol {
  /// Without what a terminal would act on.
  var printable: String {
    unicodeScalars.reduce(into: "") { text, scalar in
      text += scalar.value < 32 || (127..<160).contains(scalar.value) ? "?" : String(scalar)
    }
  }

  /// As one word of a shell: by scalars, as a mark may combine with a quote to one character.
  var quoted: String {
    let inner = unicodeScalars.reduce(into: "") { text, scalar in
      text += scalar == "'" ? #"'\''"# : String(scalar)
    }
    return "'\(inner)'"
  }
}
