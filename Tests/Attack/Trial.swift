import Foundation
import Glibc
import LinuxSystem
import TestSupport

/// A try that is under way: a script in a folder of its own.
final class Trial {
  /// How it went.
  struct Verdict {
    var faults: [String] = []
    var skipped: String?
  }

  let name: String
  /// What is tried, as a shell has it.
  let script: String
  private let folder: String
  private let limit: UInt64
  private let child: GatedChild

  /// Begins it.
  init(_ kind: Kind, _ plan: Kind.Plan, _ place: Place) throws {
    name = plan.name
    let folder = try place.folder("\(kind.name)-\(plan.name)")
    self.folder = folder
    let work = folder + "/work"
    var chance = SeededGenerator(plan.seed)
    let script = try plan.make(&chance, work, place)
    self.script = script
    let seconds = UInt64(kind.limit * place.patience)
    limit = Clock.monotonic() + seconds * 1_000_000_000
    let whole = """
      cd \(work.quoted) || exit
      . \(place.cases.quoted)/prelude.bash
      \(script)
      """
    let input = try OwnedDescriptor(open: "/dev/null", O_RDONLY).release()
    let flags = O_WRONLY | O_CREAT | O_EXCL
    let output = try OwnedDescriptor(open: folder + "/out", flags, mode: 0o666).release()
    let error = try OwnedDescriptor(open: folder + "/err", flags, mode: 0o666).release()
    child = try GatedChild(
      SpawnPlan(
        path: "/bin/bash", arguments: ["bash", "-c", whole],
        environment: [
          "PATH=\(Place.path)", "LB=\(place.lbsample)", "BASE=\(place.base)",
          "HELPER=\(place.helper) helper", "SEALED=\(place.isSealed ? 1 : 0)",
        ], input: input, output: output, error: error))
    child.openGate()
    for descriptor in [input, output, error] { _ = Glibc.close(descriptor) }
  }

  /// Readable when its script has come to its end.
  var exitDescriptor: Int32 { child.exitPollDescriptor }

  /// How it went; nil while it goes on.
  func verdict() throws -> Verdict? {
    var verdict = Verdict()
    if child.peekExit() == nil {
      guard Clock.monotonic() >= limit else { return nil }
      verdict.faults.append("did not come to its end in time")
      child.signalGroup(SIGKILL)
    }
    _ = child.reap(until: Clock.monotonic() + 1_000_000_000)
    for process in leftProcesses() { verdict.faults.append("left a process: \(process)") }
    let work = folder + "/work"
    verdict.faults += lines(work + "/faults")
    verdict.skipped = lines(work + "/skipped").first
    for stream in ["out", "err"] {
      verdict.faults += Self.controls(in: folder + "/" + stream, "std\(stream)")
    }
    for name in directoryEntries(work + "/tmp") { verdict.faults.append("left tmp/\(name)") }
    for name in directoryEntries(folder) where !["out", "err", "work"].contains(name) {
      verdict.faults.append("left ../\(name)")
    }
    if verdict.skipped != nil { verdict.faults = [] }
    try remove()
    return verdict
  }

  private func lines(_ path: String) -> [String] {
    let bytes = FileManager.default.contents(atPath: path) ?? Data()
    return bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The processes that work in its folder still, which are ended.
  private func leftProcesses() -> [String] {
    var left: [String] = []
    // What was signalled a moment ago takes one to go.
    for round in 0..<20 {
      var found: [Int32: String] = [:]
      for entry in directoryEntries("/proc") {
        guard let number = Int32(entry), number != getpid(),
          let place = try? FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(entry)/cwd"),
          place.hasPrefix(folder + "/work"),
          let words = SmallFile.text("/proc/\(entry)/cmdline"), !words.isEmpty
        else { continue }
        found[number] = words.replacingOccurrences(of: "\0", with: " ")
      }
      if found.isEmpty { break }
      if round == 10 {
        left = found.values.sorted()
        for number in found.keys { kill(number, SIGKILL) }
      }
      usleep(20_000)
    }
    return left
  }

  /// What of a text a terminal would act on.
  private static func controls(in path: String, _ name: String) -> [String] {
    let bytes = FileManager.default.contents(atPath: path) ?? Data()
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return ["\(name) is not UTF-8"]
    }
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 9, 10: continue
      case 0..<32, 127..<160, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF:
        return ["\(name) has the character \(String(scalar.value, radix: 16))"]
      default: continue
      }
    }
    return []
  }

  /// Removes its folder: by a program that takes names as they are.
  private func remove() throws {
    let child = try GatedChild(
      SpawnPlan(
        path: "/bin/rm", arguments: ["rm", "-rf", "--one-file-system", folder],
        environment: [], input: 0, output: 1, error: 2))
    child.openGate()
    _ = child.reap(until: Clock.monotonic() + 10_000_000_000)
  }
}
