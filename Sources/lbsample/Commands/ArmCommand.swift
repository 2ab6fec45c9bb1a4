import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunStore
import Runner
import SampleModel
import Sampler

/// `lbsample arm`: an armed sampler, of which another program opens and closes brackets.
struct ArmCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "arm",
    abstract: "Arm a sampler whose brackets another program opens and closes.",
    discussion: """
      EXAMPLES
        lbsample arm --control /run/user/1000/lb.sock --cpu --net
        lbsample arm --control lb.sock --interval 10ms --record brackets.lbsample

      The program sends and receives one JSON object per line over the Unix socket:
        {"request":"start","label":"warm cache"}   {"request":"stop"}
        {"request":"mark","name":"half"}  {"request":"status"}  {"request":"disarm"}
      Each reply has "ok" and a time; the reply to stop has the bracket's metrics,
      ledger and overhead. When the program disconnects, its bracket is closed.
      """)

  @OptionGroup(title: "Collectors") var collectors: CollectorOptions
  // Not nested in another group: the time of the parser's own checks grows steeply with nesting.
  @OptionGroup(title: "Intervals") var cadences: CadenceOptions
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions
  @OptionGroup(title: "Messages") var log: LogOptions
  @Option(
    name: .customLong("control"),
    help: ArgumentHelp(
      "The Unix socket to create and listen at; only its owner and root can connect.",
      valueName: "path"))
  var control: String
  @Option("run.interval") var interval: Given?
  @Option(
    name: .customLong("record"),
    help: ArgumentHelp("Record the brackets into this new result file.", valueName: "file"))
  var record: String?
  @Option(
    name: .customLong("name"),
    help: ArgumentHelp("Name of the recording.", valueName: "name"))
  var name = "arm"

  func run() throws {
    guard collectors.packets.file == nil else {
      throw LBError(
        .configuration,
        "--packets-file cannot be used with arm; use: lbsample --packets-file FILE")
    }
    let settings = try sampling.settings(try cadences.overrides() + Given.all(of: self))
    let requests = try collectors.requests(settings, sampling.roots)
    var configuration = try sampling.configuration(
      settings, interval: "run.interval",
      filter: ColumnFilter(only: collectors.only, except: collectors.except), workload: nil)
    var files = NamedFiles()
    files.writes("--record", record)
    files.writes("--log-file", log.logFile)
    files.reads("--config", sampling.config)
    try files.check()
    let eventLog = try EventLog(log)
    let stops = try StopSignals()
    configuration.stop = stops.first
    let socket: ControlSocket
    do throws(SystemError) {
      socket = try ControlSocket(path: control)
    } catch {
      let isTaken = error.errno == EADDRINUSE
      throw LBError(
        .configuration,
        "--control \(control): "
          + (isTaken
            ? "the path is a file, or another program listens there; choose another path or remove "
              + "the file" : "\(error.reason)"),
        context: ErrorContext(path: control, errno: error.errno))
    }
    let recording = try record.map { path throws(LBError) in
      try BracketRecording(
        path: path, name: name, interval: configuration.interval,
        host: HostFacts.read(sampling.roots),
        configuration: settings.measuring + collectors.entries,
        logger: eventLog.logger)
    }
    let session = CollectorSet(
      configuration, requests: requests, sinks: recording.map { [$0.sink] } ?? [],
      logger: eventLog.logger)
    ResidentMemory.releaseProgram()
    do throws(LBError) {
      try session.arm()
    } catch {
      recording?.discard()
      if error.category == .stopRequested { throw ExitCode(error.exitCode) }
      throw error
    }
    defer { session.disarm() }
    eventLog.record(session.meta)
    for note in session.meta?.notes ?? [] where log.verbose { Console.say("lbsample: \(note)") }
    let server = ControlServer(
      socket, collectors: session, stop: stops.first, clock: TimeSource.system,
      codec: Self.codec, observer: recording)
    if !log.quiet { Console.say("lbsample: armed: \(control)") }
    var failure: LBError?
    var count = 0
    do throws(LBError) {
      count = try server.serve()
    } catch {
      failure = error
    }
    session.disarm()
    try recording?.finish(failure, stopped: stops.first.raised, session)
    if !log.quiet {
      Console.say("lbsample: disarmed after \(Counted.text(count, "bracket"))")
    }
    if let failure { throw failure }
    if let reason = stops.first.raised {
      throw ExitCode(LBError.stopped(by: reason).exitCode)
    }
  }

  private struct Request: Decodable {
    let request: String
    let label: String?
    let name: String?

    private enum Key: String, CodingKey, CaseIterable { case request, label, name }

    /// Any key, to report unknown ones.
    private struct AnyKey: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    /// A request of these members; nil where one is unknown or given twice.
    init?(_ members: [(name: String, value: String)]) {
      var values: [Key: String] = [:]
      for member in members {
        guard let key = Key(rawValue: member.name), values[key] == nil else { return nil }
        values[key] = member.value
      }
      guard let request = values[.request] else { return nil }
      self.request = request
      label = values[.label]
      name = values[.name]
    }

    init(from decoder: any Decoder) throws {
      let known = Key.allCases.map(\.rawValue)
      for key in try decoder.container(keyedBy: AnyKey.self).allKeys
      where !known.contains(key.stringValue) {
        throw LBError(
          .configuration,
          "unknown key \(key.stringValue) in a request"
            + Nearest.hint(Nearest.word(to: key.stringValue, in: known)))
      }
      let container = try decoder.container(keyedBy: Key.self)
      request = try container.decode(String.self, forKey: .request)
      label = try container.decodeIfPresent(String.self, forKey: .label)
        .map { OSText.string($0.utf8) }
      name = try container.decodeIfPresent(String.self, forKey: .name)
    }
  }

  /// The members of a JSON object of strings without escapes, which nearly every request is; nil
  /// for any other text, which JSONDecoder reads at ten times the cost.
  private static func members(_ bytes: [UInt8]) -> [(name: String, value: String)]? {
    var found: [(String, String)] = []
    var index = 0
    func character() -> UInt8? {
      while index < bytes.count, bytes[index] == UInt8(ascii: " ") { index += 1 }
      guard index < bytes.count else { return nil }
      index += 1
      return bytes[index - 1]
    }
    func text() -> String? {
      guard character() == UInt8(ascii: "\"") else { return nil }
      let start = index
      while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
        guard (32..<127).contains(bytes[index]), bytes[index] != UInt8(ascii: "\\") else {
          return nil
        }
        index += 1
      }
      guard index < bytes.count else { return nil }
      index += 1
      return String(decoding: bytes[start..<index - 1], as: UTF8.self)
    }
    guard character() == UInt8(ascii: "{") else { return nil }
    while true {
      guard let name = text(), character() == UInt8(ascii: ":"), let value = text() else {
        return nil
      }
      found.append((name, value))
      switch character() {
      case UInt8(ascii: ","): continue
      case UInt8(ascii: "}"): return character() == nil ? found : nil
      default: return nil
      }
    }
  }

  /// One JSON object a line, either way.
  static let codec = ControlCodec(
    decode: { bytes throws(LBError) in
      let request: Request
      do {
        request =
          try members(bytes).flatMap(Request.init)
          ?? JSONDecoder().decode(Request.self, from: Data(bytes))
      } catch let error as LBError {
        throw error
      } catch {
        throw LBError(
          .configuration,
          "not a request: expected an object such as {\"request\":\"start\",\"label\":\"one\"}")
      }
      switch request.request {
      case "start": return .start(label: request.label ?? "")
      case "stop": return .stop
      case "status": return .status
      case "disarm": return .disarm
      case "mark":
        guard let name = request.name else {
          throw LBError(
            .configuration, "mark needs a name: {\"request\":\"mark\",\"name\":\"half\"}")
        }
        return .mark(name: name)
      default:
        let known = ["start", "stop", "mark", "status", "disarm"]
        throw LBError(
          .configuration,
          "unknown request \(request.request)"
            + Nearest.hint(Nearest.word(to: request.request, in: known)))
      }
    },
    encode: { reply in
      ControlText.line(
        ControlText.Reply(
          request: reply.request, time: reply.time,
          bracket: reply.bracket.map { ($0.number, $0.label) }, isOpen: reply.state.open != nil,
          brackets: reply.state.closed, error: reply.error),
        reply.outcome.map {
          ControlText.Closed(
            nanoseconds: $0.account.closeEnd &- $0.account.openStart, metrics: $0.values,
            ledger: $0.account.ledger, overhead: $0.account.overhead)
        })
    })
}
