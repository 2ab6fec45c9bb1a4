import ArgumentParser
import Foundation
import LinuxSystem
import Runner
import SampleModel
import Synchronization

/// Where events of a run go: a file, a command.
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
      "Format of the lines of --events: json, or lb: with LB_EVENT before each object (default: "
        + "json).", valueName: "format"))
  var eventFormat: String?
  @Option(
    name: .customLong("notify"),
    help: ArgumentHelp(
      "Run this shell command, as the workload's user, when the run waits, when a repetition fails "
        + "and at the end. Its environment has LBSAMPLE_EVENT, LBSAMPLE_RUN, LBSAMPLE_STATUS and "
        + "LBSAMPLE_MESSAGE.",
      valueName: "command"))
  var notify: String?

  /// Throws for a format of events without a file.
  func check() throws(LBError) {
    guard let eventFormat else { return }
    try Formats.check(eventFormat, of: ["json", "lb"], option: "--event-format")
    guard events == nil else { return }
    throw LBError(
      .configuration,
      "--event-format \(eventFormat): has no effect without --events: add --events FILE")
  }
}

/// Writes the events of a run to a file and runs the command of --notify. The first failure is
/// reported and the run continues; `failure` is that of the file.
final class RunEvents: Sendable {
  /// The variables of the command of --notify. They are no settings, so that the command may call
  /// lbsample.
  static let variables: Set<String> = [
    "LBSAMPLE_EVENT", "LBSAMPLE_RUN", "LBSAMPLE_STATUS", "LBSAMPLE_MESSAGE",
  ]

  /// Nanoseconds for the command after a stop request.
  private static let limitAfterStop: UInt64 = 1_000_000_000

  private let destination: TextDestination?
  private let prefix: String
  private let command: String?
  /// The user who runs the command, as for hooks; nil for the user of lbsample.
  private let user: UserIdentity?
  private let services: RunServices
  private let hasFailed = Mutex(false)
  private let unwritten = Mutex<LBError?>(nil)
  /// Why the file of events is incomplete; nil where it is complete or its reader has closed it.
  var failure: LBError? { unwritten.withLock { $0 } }

  /// The destinations of these options.
  init(
    _ options: EventOptions, _ services: RunServices, isResumed: Bool, user: UserIdentity?
  ) throws(LBError) {
    self.services = services
    self.user = user
    destination = try options.events.map { path throws(LBError) in
      // A run does not wait for a reader of its events.
      try TextDestination(
        path: path, unless: services.stop, appending: isResumed, isReadAlready: true)
    }
    prefix = options.eventFormat == "lb" ? "LB_EVENT " : ""
    command = options.notify
  }

  /// Writes one event, and runs the command if the event is one for it.
  func emit(_ entry: JournalEntry) {
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
    step.limit = isStopped ? Self.limitAfterStop : StopCoordinator.limit
    // A stop request ends every notification but that of the run's end.
    if entry.kind == "run.end" { step.stopBehavior = .ignore }
    let before = services.spawner.children()
    if let failure = step.run(services, StopCoordinator(clock: services.clock)) {
      complain(failure.message)
    }
    // Processes that it left running before the run's end are ended with those of hooks.
    if entry.kind == "run.end" { endRest(of: before) }
  }

  private func endRest(of before: Set<Int32>) {
    defer { services.orphanedOutputs.close() }
    let count = services.spawner.killRemaining(
      except: before, sparingBackground: false,
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
    if isFirst { Console.say("lbsample: \(message); the run continues") }
  }
}
