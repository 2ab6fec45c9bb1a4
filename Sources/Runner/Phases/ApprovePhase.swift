import Glibc
package import LinuxSystem
import Logging
import RunStore
package import SampleModel
import Sampler

/// `approve`: waits until a person approves that the run continues.
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

/// Approvals of runs that wait for them.
package enum Approval {
  /// The socket beside the run's file. Its directory is held open and named by its descriptor,
  /// since the whole path may be longer than a socket's address.
  final class Address {
    let path: String
    private let directory: OwnedDescriptor
    private var socket: ControlSocket?

    /// The address of the run in `file`.
    init(ofRun file: String) throws(SystemError) {
      let slash = file.unicodeScalars.lastIndex(of: "/")
      let folder = slash.map { String(file[..<$0]) } ?? "."
      directory = try OwnedDescriptor(open: folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY)
      let name = slash.map { String(file[file.unicodeScalars.index(after: $0)...]) } ?? file
      path = "/proc/self/fd/\(directory.number)/\(RunDirectory.approvalName(ofFile: name))"
    }

    // The socket removes its name, for which the directory must still be open.
    deinit { socket = nil }

    /// Listens at the address until it is deinitialised.
    func listen() throws(SystemError) -> ControlSocket {
      let socket = try ControlSocket(path: path)
      self.socket = socket
      return socket
    }
  }

  /// The possible answers.
  package enum Word: String, Sendable, CaseIterable {
    case approve
    case refuse
  }

  /// Sends an answer to the run in `file`; returns the run's reply. Throws `configuration` where
  /// the run does not wait, does not accept the answer or does not reply.
  package static func send(
    _ word: Word, toRun file: String, clock: TimeSource = .system
  ) throws(LBError) -> String {
    func unsent(_ error: SystemError) -> LBError {
      let isWaiting = error.errno != ENOENT && error.errno != ECONNREFUSED
      return LBError(
        .configuration,
        isWaiting
          ? "\(file): the answer could not be sent: \(error)"
          : "\(file) does not wait for an approval now",
        context: ErrorContext(path: file, errno: error.errno))
    }
    let address: Address
    let connection: ControlConnection
    do throws(SystemError) {
      address = try Address(ofRun: file)
      connection = try ControlConnection(to: address.path)
    } catch {
      throw unsent(error)
    }
    defer { withExtendedLifetime(address) {} }
    let notAccepted = LBError(
      .configuration,
      "\(file) did not accept the answer: another answer came first, or the run has ended",
      context: ErrorContext(path: file))
    guard connection.send(Array("\(word.rawValue)\n".utf8)) else { throw notAccepted }
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
        if ready.isEmpty { throw unsent(SystemError("waiting for the reply", errno: ETIMEDOUT)) }
      case .tooLong, .closed: throw notAccepted
      }
    }
  }

  /// The beginning of a reply to an answer that the run does not accept.
  static let refusal = "not accepted: "
}

/// Waits for `lbsample approve RUN` or an answer at the terminal. The phase fails when no answer
/// comes in time.
package struct ApproveAction: PhaseAction {
  let message: String
  let limit: UInt64

  /// The kind of the event that records an answer.
  static let event = "approval"

  /// Asks `message`; the phase fails after `limit` nanoseconds without an answer.
  package init(message: String, limit: UInt64) {
    self.message = message
    self.limit = limit
  }

  /// A description for `--dry-run`.
  package var summary: String { "waits for approval, at most \(Durations.text(limit)): \(message)" }

  /// Waits for the answer. Throws `gate` where it is a refusal or does not come in time.
  package func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry {
    let question = "\(phase.name): \(message)"
    if phase.decisions.approved.contains(question) {
      try phase.run.journal.record(
        .notice, "approval.held", "\(question): approved before the run was interrupted")
      return .proceed(nil)
    }
    guard let file = phase.run.store?.path else {
      throw LBError(
        .gate, "\(question): a run without a result file cannot be approved; record it in a file")
    }
    let address: Approval.Address
    let socket: ControlSocket
    do throws(SystemError) {
      address = try Approval.Address(ofRun: file)
      socket = try address.listen()
    } catch {
      throw LBError(
        .internal, "\(question): the socket for the approval cannot be made: \(error)",
        context: ErrorContext(path: file, errno: error.errno))
    }
    defer { withExtendedLifetime(address) {} }
    let here = phase.run.services.answers == nil ? "" : ", or yes or no here"
    try phase.announceWait(
      "\(question) (lbsample approve \(phase.run.runID)\(here))")
    let answer = try wait(phase, socket, question)
    try phase.run.journal.record(.notice, Self.event, answer.journalMessage)
    guard answer.word == .approve else {
      throw LBError(.gate, "\(phase.name) was refused by \(answer.author): \(message)")
    }
    return .proceed(nil)
  }

  /// Waits for the first answer to `question`.
  private func wait(
    _ phase: PhaseContext, _ socket: ControlSocket, _ question: String
  ) throws(LBError) -> ApprovalAnswer {
    let services = phase.run.services
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
          .gate, "\(phase.name): nobody approved within \(Durations.text(limit)): \(message)")
      }
      if ready.contains(2), let descriptor = answers {
        switch Self.readAnswer(descriptor) {
        case .word(let word):
          return ApprovalAnswer(question: question, word, by: "user \(getuid()) at the terminal")
        case .other:
          try phase.announceWait(
            "\(phase.name): answer yes or no, or use lbsample approve in another terminal")
        case .ended: answers = nil
        }
      }
      guard ready.contains(1), let connection = socket.accept() else { continue }
      let deadline = clock.deadline(in: StopCoordinator.limit)
      let readable = [services.stop.pollDescriptor, connection.pollDescriptor]
      guard connection.user == 0 || connection.user == getuid() else {
        let refusal =
          "\(Approval.refusal)only user \(getuid()), whose run it is, and root can approve it"
        _ = connection.send(Array("\(refusal)\n".utf8))
        continue
      }
      guard
        clock.wait(readable: readable, until: deadline).contains(1),
        case .line(let line) = connection.next(),
        let word = Approval.Word(rawValue: String(decoding: line, as: UTF8.self))
      else { continue }
      _ = connection.send(Array("\(phase.run.runID): \(word.rawValue) noted\n".utf8))
      return ApprovalAnswer(question: question, word, by: "user \(connection.user)")
    }
  }

  private enum TerminalInput {
    case word(Approval.Word)
    case other
    /// The terminal is closed.
    case ended
  }

  /// Reads a line from the terminal, or the part of it that is there.
  private static func readAnswer(_ descriptor: Int32) -> TerminalInput {
    var line = [UInt8](repeating: 0, count: 256)
    let count = unsafe line.withUnsafeMutableBytes {
      unsafe read(descriptor, $0.baseAddress, $0.count)
    }
    guard count > 0 else { return .ended }
    let text = String(decoding: line.prefix(count), as: UTF8.self).lowercased()
    switch text.filter({ !$0.isWhitespace }) {
    case "y", "yes", Approval.Word.approve.rawValue: return .word(.approve)
    case "n", "no", Approval.Word.refuse.rawValue: return .word(.refuse)
    default: return .other
    }
  }
}
