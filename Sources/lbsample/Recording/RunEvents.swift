import ArgumentParser
import Foundation
import LinuxSystem
import Runner
import SampleModel
import Synchronization

/// Who is told what a run does: a stream of events, a command.
struct EventOptions: ParsableArguments {
  @Option(
    name: .customLong("events"),
    help: ArgumentHelp(
      "Write every event as a line of JSON to this file; - is standard output, which then has no "
        + "report.", valueName: "file"))
  var events: String?
  @Option(
    name: .customLong("event-format"),
    help: ArgumentHelp(
      "Format of the lines of --events: json, or lb, which puts LB_EVENT before each object "
        + "(default: json).", valueName: "format"))
  var eventFormat: String?
  @Option(
    name: .customLong("notify"),
    help: ArgumentHelp(
      "Run this shell command when the run waits, when a repetition fails and at the end; it finds "
        + "LBSAMPLE_EVENT, LBSAMPLE_RUN, LBSAMPLE_STATUS and LBSAMPLE_MESSAGE in its environment, "
        + "and runs as the workload's user.",
      valueName: "command"))
  var notify: String?

  /// Refuses a format of events that nothing writes.
  func check() throws(LBError) {
    guard let eventFormat else { return }
    try Formats.check(eventFormat, of: ["json", "lb"], option: "--event-format")
    guard events == nil else { return }
    throw LBError(
      .configuration,
      "--event-format \(eventFormat): has no effect without --events FILE: add that")
  }
}

/// Tells of events. What cannot be told is said once, and the run goes on; a file that could not be
/// written is its `failure`.
final class RunEvents: Sendable {
  /// What the command of --notify finds in its environment: no settings, so that it may call
  /// lbsample.
  static let variables: Set<String> = [
    "LBSAMPLE_EVENT", "LBSAMPLE_RUN", "LBSAMPLE_STATUS", "LBSAMPLE_MESSAGE",
  ]

  /// Not even so long when the run was stopped.
  private static let haste: UInt64 = 1_000_000_000

  private let destination: TextDestination?
  private let prefix: String
  private let command: String?
  /// Who it is, as the hooks are; nil for who we are.
  private let user: UserIdentity?
  private let services: RunServices
  private let hasFailed = Mutex(false)
  private let unwritten = Mutex<LBError?>(nil)
  /// Why the events' file is not whole; nil where it is. A reader that is gone wanted no more.
  var failure: LBError? { unwritten.withLock { $0 } }

  /// Those that were asked for.
  init(
    _ options: EventOptions, _ services: RunServices, isResumed: Bool, user: UserIdentity?
  ) throws(LBError) {
    self.services = services
    self.user = user
    destination = try options.events.map { path throws(LBError) in
      // A run does not wait for who might want to know of it.
      try TextDestination(
        path: path, unless: services.stop, appending: isResumed, isReadAlready: true)
    }
    prefix = options.eventFormat == "lb" ? "LB_EVENT " : ""
    command = options.notify
  }

  /// Tells of one event.
  func tell(_ entry: JournalEntry) {
    if let destination {
      do {
        try destination.write(Array((prefix + (try JSONText.encode(entry)) + "\n").utf8))
      } catch {
        if error.context.errno != EPIPE { unwritten.withLock { $0 = $0 ?? error } }
        complain("--events \(destination.path): \(error)")
      }
    }
    let isFailure = entry.kind == "repetition.end" && entry.error != nil
    if let command, isFailure || ["run.waiting", "run.end"].contains(entry.kind) {
      notify(command, entry)
    }
  }

  private func notify(_ command: String, _ entry: JournalEntry) {
    var specification = RunSpecification(name: "notify", command: [])
    specification.grace = 0
    specification.user = user
    specification.environment = WorkloadOptions.environment(
      of: user,
      [
        ("LBSAMPLE_EVENT", entry.kind), ("LBSAMPLE_RUN", entry.run),
        ("LBSAMPLE_STATUS", entry.status?.rawValue ?? ""), ("LBSAMPLE_MESSAGE", entry.message),
      ])
    var step = AuxiliaryCommand("--notify", shell: command, specification, cpus: .allowed())
    let isStopped = services.stop.raised != nil
    step.limit = isStopped ? Self.haste : StopCoordinator.limit
    // A stop ends all but the last word of it.
    if entry.kind == "run.end" { step.atStop = .goesOn }
    let before = services.spawner.children()
    if let failure = step.run(services, StopCoordinator(clock: services.clock)) {
      complain(failure.message)
    }
    // What it leaves behind before the run's end is ended with what others do.
    if entry.kind == "run.end" { endRest(of: before) }
  }

  private func endRest(of before: Set<Int32>) {
    defer { services.leftOutputs.close() }
    let count = services.spawner.killRemaining(
      except: before, sparingBeside: false,
      until: services.clock.deadline(in: StopCoordinator.limit))
    guard count > 0 else { return }
    let (processes, were) = count == 1 ? ("process", "was") : ("processes", "were")
    Console.say("lbsample: \(count) \(processes) of --notify outlived the run and \(were) killed")
  }

  private func complain(_ message: String) {
    let isFirst = hasFailed.withLock { failed in
      defer { failed = true }
      return !failed
    }
    if isFirst { Console.say("lbsample: \(message); the run goes on") }
  }
}
