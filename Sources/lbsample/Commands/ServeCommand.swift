import ArgumentParser
import Exchange
import Foundation
import LinuxSystem
import Output
import Runner
import SampleModel
import Sampler

/// `lbsample serve`: an endpoint that Prometheus scrapes.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Sample the host and serve the last readings to Prometheus.",
    discussion: """
      EXAMPLES
        lbsample serve
        lbsample serve --cpu --net --disk --interval 5s
        lbsample serve --all --listen unix:lbsample.socket
        lbsample serve --listen 192.0.2.7:9752 --token-file token

      /metrics has the last reading of each metric, in OpenMetrics with the time of
      the reading; /healthz says whether readings arrive. Sampling goes on at its own
      interval: a request reads nothing. Ctrl-C ends it.
      """)

  @OptionGroup(title: "Collectors") var collectors: CollectorOptions
  // Not nested in another group: the time of the parser's own checks grows steeply with nesting.
  @OptionGroup(title: "Intervals") var cadences: CadenceOptions
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions
  @Option("sample.interval") var interval: Given?
  @Option(
    name: .customLong("listen"),
    help: ArgumentHelp(
      "Address and port to listen at, or unix:PATH; port 0 is any free port.",
      valueName: "address"))
  var listen = "127.0.0.1:9752"
  @Option(
    name: .customLong("token-file"),
    help: ArgumentHelp(
      "Answer only requests that bear the token in this file's first line.", valueName: "file"))
  var tokenFile: String?
  @OptionGroup(title: "Messages") var log: LogOptions

  func run() throws {
    guard collectors.packets.file == nil else {
      throw LBError(
        .configuration,
        "--packets-file cannot be used with serve; use: lbsample --packets-file FILE")
    }
    let settings = try sampling.settings(try cadences.overrides() + Given.all(of: self))
    let requests = try collectors.requests(settings, sampling.roots)
    var configuration = try sampling.configuration(
      settings, interval: "sample.interval",
      filter: ColumnFilter(only: collectors.only, except: collectors.except), workload: nil)
    // Readings are served soon after they are taken, and the drain wakes no more than four times a
    // second for it.
    configuration.maximumDeliveryLatency = 250_000_000
    let address = try ListenAddress.read(listen)
    let token = try tokenFile.map { path throws(LBError) in try Self.token(path) }
    var files = NamedFiles()
    files.writes("--log-file", log.logFile)
    files.reads("--config", sampling.config)
    files.reads("--token-file", tokenFile)
    try files.check()
    let eventLog = try EventLog(log)
    // Signals are blocked before any other thread exists, so that only the signal reader gets them.
    let stops = try StopSignals(endLimit: Self.endLimit)
    configuration.stop = stops.first
    let socket = try Self.socket(address, option: listen)
    let facts = SelfFacts()
    let latest = LatestSink(version: Lbsample.version) { facts.read() }
    let endpoint = try ownErrors { () throws(SystemError) in
      try MetricsEndpoint(socket, source: latest, token: token)
    }
    let session = SamplerSession(
      configuration, requests: requests, sinks: [latest, EventNotices(eventLog.logger)])
    ResidentMemory.releaseProgram()
    do throws(LBError) {
      try session.arm()
    } catch {
      if error.category == .stopRequested { throw ExitCode(error.exitCode) }
      throw error
    }
    eventLog.record(session.meta)
    report(session.meta)
    facts.begin(session, endpoint: endpoint)
    try serve(session, endpoint, facts, stops.first, cpus: configuration.cpus)
  }

  /// Nanoseconds that the end may take after a stop request: slightly more than the wait for a
  /// sampling thread that hangs.
  private static let endLimit: UInt64 = 7_000_000_000

  private func serve(
    _ session: SamplerSession, _ endpoint: MetricsEndpoint, _ facts: SelfFacts, _ stop: StopFlag,
    cpus: [Int]
  ) throws {
    var failure: LBError?
    do throws(LBError) {
      _ = try session.start()
      try ownErrors { () throws(SystemError) in try endpoint.begin(avoiding: CPUSet(cpus)) }
      if !log.quiet { Console.say("lbsample: serving \(ListenAddress.text(endpoint.address))") }
      warn(endpoint.address)
      repeat {
        _ = Poll.wait(
          readable: [stop.pollDescriptor, session.attentionDescriptor], until: nil)
      } while stop.raised == nil && session.failure == nil
      let account = try session.stop(sampling: session.failure == nil)
      if !log.quiet { Console.say(LedgerText.line(account.ledger, account.overhead)) }
      if !account.ledger.isExact { throw LBError(.internal, LedgerText.mismatch) }
    } catch {
      failure = error
    }
    endpoint.end()
    // Its facts are about threads of the session.
    facts.end()
    failure = session.failure ?? failure
    session.disarm()
    if let failure {
      if failure.category == .stopRequested { throw ExitCode(failure.exitCode) }
      throw failure
    }
    // Ctrl-C is the normal end, as of sampling without a limit.
    if let reason = stop.raised, reason.signal != SIGINT {
      throw ExitCode(LBError.stopped(by: reason).exitCode)
    }
  }

  /// Warns of an address that others reach without a token.
  private func warn(_ address: ListeningSocket.Address) {
    guard !ListenAddress.isLocal(address), tokenFile == nil, !log.quiet else { return }
    Console.say(
      "lbsample: every host that reaches \(listen) can read these metrics; add --token-file FILE, "
        + "or listen at 127.0.0.1 behind a proxy")
  }

  private func report(_ meta: StreamMeta?) {
    guard let meta, !log.quiet else { return }
    for missing in meta.unavailable {
      Console.say("lbsample: skipping \(missing.collector): \(missing.reason)")
    }
    for note in meta.notes where log.verbose { Console.say("lbsample: \(note)") }
  }

  private static func socket(
    _ address: ListeningSocket.Address, option: String
  ) throws(LBError) -> ListeningSocket {
    do throws(SystemError) {
      return try ListeningSocket(address)
    } catch {
      let reason =
        switch error.errno {
        case EADDRINUSE: "another program listens there"
        case EADDRNOTAVAIL: "this host does not have the address"
        case EINVAL: "not a numeric address of IPv4 or IPv6"
        default: error.reason
        }
      throw LBError(
        .configuration, "--listen \(option): \(reason); choose another address",
        context: ErrorContext(errno: error.errno))
    }
  }

  /// The token of a file: its first line, which others must not be able to change.
  private static func token(_ path: String) throws(LBError) -> String {
    let text: String
    do throws(SystemError) {
      let file = try OwnedDescriptor(text: path)
      if let problem = Trust.problem(of: file) {
        throw SystemError("open", errno: EPERM, path: path, reason: problem)
      }
      var bytes = InlineArray<4096, UInt8>(repeating: 0)
      var span = bytes.mutableSpan
      let count = file.read(into: &span, at: 0)
      var read: [UInt8] = []
      for index in 0..<max(count, 0) { read.append(bytes[index]) }
      text = String(decoding: read.prefix { $0 != 10 && $0 != 13 }, as: UTF8.self)
    } catch {
      throw LBError(
        .configuration, "--token-file \(path): \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
    guard text.utf8.count >= 16, text.utf8.count <= 1024,
      text.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
    else {
      throw LBError(
        .configuration,
        "--token-file \(path): expected 16 to 1024 printable characters of ASCII without spaces in "
          + "the first line, such as those of: head -c 32 /dev/urandom | base64",
        context: ErrorContext(path: path))
    }
    return text
  }
}
