import Glibc
package import LinuxSystem
import Logging
import RunStore
package import SampleModel
import Sampler

/// `approve`: waits until a person says that the run may go on.
struct ApprovePhase: PhaseKind {
  let name = "approve"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    node.actions = [
      ApproveAction(
        message: table.text("message") ?? "may \(node.name) go on?",
        limit: table.duration("within") ?? 600_000_000_000)
    ]
    return [node]
  }
}

/// Where a run that waits is told to go on.
package enum Approval {
  /// A socket beside the run's file; its directory is held open, since its whole path may be longer
  /// than a socket's address.
  final class Place {
    let path: String
    private let directory: OwnedDescriptor
    private var socket: ControlSocket?

    /// The place of the run in `file`.
    init(ofRun file: String) throws(SystemError) {
      let slash = file.unicodeScalars.lastIndex(of: "/")
      let folder = slash.map { String(file[..<$0]) } ?? "."
      directory = try OwnedDescriptor(open: folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY)
      let name = slash.map { String(file[file.unicodeScalars.index(after: $0)...]) } ?? file
      path = "/proc/self/fd/\(directory.number)/\(RunDirectory.approvalName(ofFile: name))"
    }

    // The socket's name goes while its directory is still open.
    deinit { socket = nil }

    /// Listens here for as long as this place is.
    func listen() throws(SystemError) -> ControlSocket {
      let socket = try ControlSocket(path: path)
      self.socket = socket
      return socket
    }
  }

  /// What may be said.
  package enum Word: String, Sendable, CaseIterable {
    case approve
    case refuse
  }

  /// Tells the run in `file`; gives its answer.
  package static func tell(
    _ word: Word, toRun file: String, clock: TimeSource = .system
  ) throws(LBError) -> String {
    func cannot(_ error: SystemError) -> LBError {
      let isWaiting = error.errno != ENOENT && error.errno != ECONNREFUSED
      return LBError(
        .configuration,
        isWaiting
          ? "\(file) cannot be told: \(error)" : "\(file) does not wait for an approval now",
        context: ErrorContext(path: file, errno: error.errno))
    }
    let place: Place
    let connection: ControlConnection
    do throws(SystemError) {
      place = try Place(ofRun: file)
      connection = try ControlConnection(to: place.path)
    } catch {
      throw cannot(error)
    }
    defer { withExtendedLifetime(place) {} }
    let untaken = LBError(
      .configuration,
      "\(file) did not take it: somebody else's answer came first, or the run has ended",
      context: ErrorContext(path: file))
    guard connection.send(Array("\(word.rawValue)\n".utf8)) else { throw untaken }
    let deadline = clock.deadline(in: StopCoordinator.limit)
    while true {
      switch connection.next() {
      case .line(let answer):
        let text = OSText.string(answer)
        guard !text.hasPrefix(refusal) else {
          throw LBError(.configuration, "\(file): \(text)", context: ErrorContext(path: file))
        }
        return text
      case .nothing:
        let ready = clock.wait(readable: [connection.pollDescriptor], until: deadline)
        if ready.isEmpty { throw cannot(SystemError("waiting for its answer", errno: ETIMEDOUT)) }
      case .tooLong, .closed: throw untaken
      }
    }
  }

  /// How an answer begins that says no to who asked.
  static let refusal = "not taken: "
}

/// Waits for `lbsample approve RUN`, or for a word at the terminal; refuses when nobody says any.
package struct ApproveAction: PhaseAction {
  let message: String
  let limit: UInt64

  /// The kind of event that an answer is.
  static let event = "approval"
  private static let yes = ": \(Approval.Word.approve.rawValue) by "

  /// The question that was said yes to, by the event that says so.
  static func approvedQuestion(in event: String) -> String? {
    event.ranges(of: yes).last.map { String(event[..<$0.lowerBound]) }
  }

  /// Asks `message`; refused after `limit` nanoseconds.
  package init(message: String, limit: UInt64) {
    self.message = message
    self.limit = limit
  }

  /// What it does, for `--dry-run`.
  package var summary: String { "waits for approval, at most \(Durations.text(limit)): \(message)" }

  /// Waits.
  package func enter(_ place: PhasePlace) throws(LBError) -> PhaseEntry {
    let question = "\(place.phase): \(message)"
    if place.decided.approved.contains(question) {
      try place.context.journal.record(
        .notice, "approval.held", "\(question): approved before the run was interrupted")
      return .proceed(nil)
    }
    guard let file = place.context.store?.path else {
      throw LBError(.gate, "\(message) Without a result file nobody can say so")
    }
    let own: Approval.Place
    let socket: ControlSocket
    do throws(SystemError) {
      own = try Approval.Place(ofRun: file)
      socket = try own.listen()
    } catch {
      throw LBError(
        .internal, "no approval can be waited for: \(error)",
        context: ErrorContext(path: file, errno: error.errno))
    }
    defer { withExtendedLifetime(own) {} }
    let here = place.context.services.answers == nil ? "" : ", or yes or no here"
    try place.waiting(
      "\(question) (lbsample approve \(place.context.runID)\(here))")
    let (word, who) = try wait(place, socket)
    try place.context.journal.record(
      .notice, Self.event, "\(question): \(word.rawValue) by \(who)")
    guard word == .approve else {
      throw LBError(.gate, "\(place.phase) was refused by \(who): \(message)")
    }
    return .proceed(nil)
  }

  /// The first word that is said, and by whom.
  private func wait(
    _ place: PhasePlace, _ socket: ControlSocket
  ) throws(LBError) -> (Approval.Word, String) {
    let services = place.context.services
    let clock = services.clock
    let deadline = clock.deadline(in: limit)
    var answers = services.answers
    while true {
      let ready = clock.wait(
        readable: [services.stop.pollDescriptor, socket.pollDescriptor]
          + (answers.map { [$0] } ?? []), until: deadline)
      if let signal = services.stop.raised {
        throw LBError.stopped(by: signal, " while waiting for an approval")
      }
      guard !ready.isEmpty else {
        throw LBError(
          .gate, "\(place.phase): nobody approved within \(Durations.text(limit)): \(message)")
      }
      if ready.contains(2), let descriptor = answers {
        switch Self.answer(descriptor) {
        case .said(let word): return (word, "user \(getuid()) at the terminal")
        case .other:
          try place.waiting("\(place.phase): yes or no, or lbsample approve from elsewhere")
        case .ended: answers = nil
        }
      }
      guard ready.contains(1), let connection = socket.accept() else { continue }
      let patience = clock.deadline(in: StopCoordinator.limit)
      let readable = [services.stop.pollDescriptor, connection.pollDescriptor]
      guard connection.user == 0 || connection.user == getuid() else {
        let refusal =
          "\(Approval.refusal)the run is user \(getuid())'s, to be told by it or by root"
        _ = connection.send(Array("\(refusal)\n".utf8))
        continue
      }
      guard
        clock.wait(readable: readable, until: patience).contains(1),
        case .line(let line) = connection.next(),
        let word = Approval.Word(rawValue: String(decoding: line, as: UTF8.self))
      else { continue }
      _ = connection.send(Array("\(place.context.runID): \(word.rawValue) noted\n".utf8))
      return (word, "user \(connection.user)")
    }
  }

  private enum Answer {
    case said(Approval.Word)
    case other
    /// There is nobody any more.
    case ended
  }

  /// One line of a terminal, or as much of it as comes at once.
  private static func answer(_ descriptor: Int32) -> Answer {
    var line = [UInt8](repeating: 0, count: 256)
    let count = unsafe line.withUnsafeMutableBytes {
      unsafe read(descriptor, $0.baseAddress, $0.count)
    }
    guard count > 0 else { return .ended }
    let text = String(decoding: line.prefix(count), as: UTF8.self).lowercased()
    switch text.filter({ !$0.isWhitespace }) {
    case "y", "yes", Approval.Word.approve.rawValue: return .said(.approve)
    case "n", "no", Approval.Word.refuse.rawValue: return .said(.refuse)
    default: return .other
    }
  }
}
