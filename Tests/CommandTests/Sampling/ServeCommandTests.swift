import Foundation
import Glibc
import TestSupport
import Testing

/// `lbsample serve` and those who ask it.
@Suite(.serialized) struct ServeCommandTests {
  /// A client's end of a connection.
  final class Client {
    let descriptor: Int32

    /// Connects to a Unix socket, or to a port of 127.0.0.1.
    init?(_ path: String, port: UInt16? = nil) {
      descriptor = socket(port == nil ? AF_UNIX : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var timeout = timeval(tv_sec: 10, tv_usec: 0)
      _ = unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
      let isConnected = port.map { tcp($0) } ?? unix(path)
      guard isConnected else { return nil }
    }

    deinit { close(descriptor) }

    private func unix(_ path: String) -> Bool {
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8)
      guard bytes.count < 108 else { return false }
      unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
        for (index, byte) in bytes.enumerated() { unsafe room[index] = byte }
      }
      let size = socklen_t(MemoryLayout<sockaddr_un>.size)
      return unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(descriptor, $0, size)
        }
      } == 0
    }

    private func tcp(_ port: UInt16) -> Bool {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      let size = socklen_t(MemoryLayout<sockaddr_in>.size)
      return unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(descriptor, $0, size)
        }
      } == 0
    }

    func send(_ text: String) {
      let bytes = Array(text.utf8)
      _ = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// All until the end of the connection.
    func rest() -> String {
      var all: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = unsafe read(descriptor, &chunk, chunk.count)
        guard count > 0 else { break }
        all += chunk[..<count]
      }
      return String(decoding: all, as: UTF8.self)
    }
  }

  /// What came back.
  struct Answer {
    let status: Int
    let head: String
    let body: String

    init(_ text: String) {
      let parts = text.components(separatedBy: "\r\n\r\n")
      head = parts[0]
      body = parts.dropFirst().joined(separator: "\r\n\r\n")
      status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
    }

    /// The value and the time of a series.
    func series(_ name: String) -> (value: Double, time: Double)? {
      for line in body.split(separator: "\n") where line.hasPrefix(name + " ") {
        let words = line.dropFirst(name.count + 1).split(separator: " ").compactMap { Double($0) }
        return (words.first ?? .nan, words.dropFirst().first ?? .nan)
      }
      return nil
    }
  }

  static let openMetrics = "Accept: application/openmetrics-text;version=1.0.0\r\n"

  private func served(
    _ command: Command, _ options: [String] = ["--cpu", "--net"], listen: String? = nil
  ) throws -> (running: Running, path: String) {
    let path = command.folder.file("socket")
    let running = try command.start(
      ["serve", "--listen", listen ?? "unix:\(path)", "-i", "50ms", "--config", "/dev/null"]
        + options)
    #expect(running.wait { running.error.contains("serving") || !running.process.isRunning })
    // The drain delivers the first readings a moment later.
    if listen == nil {
      #expect(running.wait { (try? get(path, "/healthz"))?.status == 200 })
    }
    return (running, path)
  }

  private func get(
    _ path: String, _ target: String = "/metrics", fields: String = "", method: String = "GET"
  ) throws -> Answer {
    let client = try #require(Client(path))
    client.send("\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
    return Answer(client.rest())
  }

  private func stop(_ running: Running, _ signal: Int32 = SIGINT) throws -> Command.Outcome {
    kill(running.process.processIdentifier, signal)
    return try running.finish()
  }

  private static func counters() -> (switches: Double, user: Double, received: Double) {
    func text(_ path: String) -> [[Substring]] {
      ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
        .map { $0.split { $0 == " " || $0 == ":" } }
    }
    let stat = text("/proc/stat")
    let lo = text("/proc/net/dev").first { $0.first == "lo" } ?? []
    func number(_ row: [Substring]?, _ index: Int) -> Double {
      guard let row, row.count > index else { return .nan }
      return Double(row[index]) ?? .nan
    }
    return (
      number(stat.first { $0.first == "ctxt" }, 1),
      number(stat.first { $0.first == "cpu0" }, 1) / Double(sysconf(Int32(_SC_CLK_TCK))),
      number(lo, 1)
    )
  }

  /// A reading that is taken between two of ours lies between them.
  @Test func servedValuesAreTheKernels() throws {
    let command = try Command()
    let (running, path) = try served(command)
    let before = Self.counters()
    let asked = Date().timeIntervalSince1970
    var answer = try get(path, fields: Self.openMetrics)
    for _ in 0..<1000 {
      let times = ["lbsample_cpu_ctxt_total", "lbsample_net_rx_bytes_total{interface=\"lo\"}"].map {
        answer.series($0)?.time ?? 0
      }
      if times.allSatisfy({ $0 > asked }) { break }
      answer = try get(path, fields: Self.openMetrics)
    }
    let after = Self.counters()
    #expect(answer.status == 200 && answer.body.hasSuffix("# EOF\n"))
    #expect(
      answer.head.contains(
        "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"))
    let switches = try #require(answer.series("lbsample_cpu_ctxt_total"))
    #expect(switches.time > asked && switches.time <= Date().timeIntervalSince1970)
    #expect(switches.value >= before.switches && switches.value <= after.switches)
    let user = try #require(answer.series("lbsample_cpu_user_seconds_total{cpu=\"0\"}"))
    #expect(user.value >= before.user && user.value <= after.user)
    let received = try #require(answer.series("lbsample_net_rx_bytes_total{interface=\"lo\"}"))
    #expect(received.value >= before.received && received.value <= after.received)
    // Counted since the host's boot.
    let created = try #require(answer.series("lbsample_cpu_ctxt_created"))
    let boot = asked - ProcessInfo.processInfo.systemUptime
    #expect(abs(created.value - boot) < 5)
    #expect(answer.series("lbsample_collector_up{collector=\"cpu\"}")?.value == 1)
    #expect((answer.series("process_cpu_seconds_total")?.value ?? 0) > 0)
    let deadlines = ["on_time", "late", "skipped"].compactMap {
      answer.series("lbsample_deadlines_total{thread=\"0\",outcome=\"\($0)\"}")?.value
    }
    #expect(deadlines.count == 3 && deadlines[0] > 0)
    let plain = try get(path)
    #expect(plain.head.contains("text/plain; version=0.0.4") && !plain.body.contains("# EOF"))
    #expect(plain.series("lbsample_cpu_ctxt_total")?.time.isNaN == true)
    let outcome = try stop(running)
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func readersOfTheFormatsAcceptAllCollectors() throws {
    let command = try Command()
    let (running, path) = try served(command, ["--all"])
    let plain = try get(path)
    let open = try get(path, fields: Self.openMetrics)
    #expect(try stop(running).code == 0)
    try command.folder.write("plain", plain.body)
    try command.folder.write("open", open.body)
    try PrometheusTools.lint(command, "plain")
    try PrometheusTools.parse(command, "open")
  }

  @Test func otherRequestsGetTheirStatus() throws {
    let command = try Command()
    let (running, path) = try served(command)
    #expect(try get(path, "/").body.contains("<a href=\"/metrics\">"))
    #expect(try get(path, "/healthz").body == "ok\n")
    #expect(try get(path, "/nothing").status == 404)
    let post = try get(path, method: "POST")
    #expect(post.status == 405 && post.head.contains("Allow: GET, HEAD"))
    let head = try get(path, method: "HEAD")
    #expect(head.status == 200 && head.body.isEmpty && head.head.contains("Content-Length: "))
    #expect(try get(path, fields: String(repeating: "A: b\r\n", count: 3000)).status == 431)
    let garbage = try #require(Client(path))
    garbage.send("\u{16}\u{3}\u{1}\u{2}")
    #expect(Answer(garbage.rest()).status == 400)
    let counted = try get(path, fields: Self.openMetrics)
    #expect(counted.status == 200)
    #expect(try stop(running, SIGTERM).code == 143)
  }

  /// Those who send nothing, a part, or do not read: others are served, and sampling goes on.
  @Test func slowClientsHoldUpNobody() throws {
    let command = try Command()
    let (running, path) = try served(command, ["--all"])
    var slow: [Client] = []
    for number in 0..<40 {
      let client = try #require(Client(path))
      client.send(["", "GET /metr", "GET /metrics HTTP/1.1\r\n\r\n"][number % 3])
      slow.append(client)
    }
    for _ in 0..<5 { #expect(try get(path).status == 200) }
    let began = Date()
    kill(running.process.processIdentifier, SIGINT)
    kill(running.process.processIdentifier, SIGTERM)
    let outcome = try running.finish()
    #expect([0, 130].contains(outcome.code), "\(outcome.error)")
    #expect(Date().timeIntervalSince(began) < 4)
    #expect(slow.count == 40)
  }

  @Test func onlyTheTokenOpens() throws {
    let command = try Command()
    let token = "0123456789abcdef"
    try command.folder.write("token", token + "\n")
    _ = unsafe chmod(command.folder.file("token"), 0o600)
    let (running, path) = try served(
      command, ["--cpu", "--token-file", command.folder.file("token")])
    for fields in [
      "", "Authorization: Bearer \(token)x\r\n", "Authorization: Bearer\r\n",
      "Authorization: Basic \(token)\r\n", "Authorization: Bearer \(token.dropLast())\r\n",
    ] {
      let answer = try get(path, fields: fields)
      #expect(answer.status == 401 && answer.head.contains("WWW-Authenticate: Bearer"), "\(fields)")
      #expect(!answer.body.contains("lbsample_cpu"))
    }
    #expect(try get(path, fields: "Authorization: bearer \(token)\r\n").status == 200)
    #expect(try get(path, "/healthz").status == 200)
    #expect(try stop(running).code == 0)
  }

  @Test func aFreePortIsNamed() throws {
    let command = try Command()
    let (running, _) = try served(command, ["--cpu"], listen: "127.0.0.1:0")
    let named = running.error.split(separator: ":").last.flatMap {
      UInt16($0.prefix { $0.isNumber })
    }
    let port = try #require(named)
    let client = try #require(Client("", port: port))
    client.send("GET /metrics HTTP/1.0\r\n\r\n")
    #expect(Answer(client.rest()).status == 200)
    let second = try command(
      "serve", "--cpu", "--listen", "127.0.0.1:\(port)", "--config", "/dev/null")
    #expect(second.code == 2 && second.error.contains("another program listens there"))
    #expect(try stop(running).code == 0)
  }

  @Test func mistakesAreSaid() throws {
    let command = try Command()
    try command.folder.write("short", "abc\n")
    try command.folder.write("open", "0123456789abcdef\n")
    _ = unsafe chmod(command.folder.file("open"), 0o666)
    let cases: [([String], String)] = [
      (["--listen", "9752"], "expected ADDRESS:PORT"),
      (["--listen", "host.example:1"], "not a numeric address"),
      (["--listen", "192.0.2.1:0"], "does not have the address"),
      (["--listen", "unix:/nowhere/s"], "/nowhere"),
      (["--token-file", "/nowhere"], "--token-file /nowhere"),
      (["--token-file", command.folder.file("short")], "16 to 1024"),
      (["--token-file", command.folder.file("open")], "writable by group or others"),
      (["--packets-file", "x.pcap"], "--packets-file"),
    ]
    for (options, words) in cases {
      let listen = options.contains("--listen") ? [] : ["--listen", "127.0.0.1:0"]
      let outcome = try command.start(
        ["serve", "--cpu", "--config", "/dev/null"] + listen + options
      ).finish()
      #expect(outcome.code == 2, "\(options): \(outcome.error)")
      #expect(outcome.error.contains(words), "\(options): \(outcome.error)")
    }
  }
}

/// Programs that read the formats, where this host has them.
enum PrometheusTools {
  /// promtool of Debian's package prometheus.
  static let promtool = path(of: "promtool")
  /// A Python that has the package prometheus_client.
  static let python: String? = path(of: "python3").flatMap { path in
    run(path, ["-c", "import prometheus_client.openmetrics.parser"]).code == 0 ? path : nil
  }

  private static func path(of program: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.map { "\($0)/\(program)" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }

  /// Runs a program; its output and errors together.
  static func run(
    _ program: String, _ arguments: [String], input: String? = nil
  ) -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = input.flatMap { FileHandle(forReadingAtPath: $0) } ?? .nullDevice
    let output = Foundation.Pipe()
    process.standardOutput = output
    process.standardError = output
    do { try process.run() } catch { return (-1, "\(error)") }
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
  }

  /// Holds a file in the plain format against Prometheus' linter, if that is there.
  static func lint(_ command: Command, _ file: String) throws {
    guard let promtool else { try Test.cancel("there is no promtool here (Debian: prometheus)") }
    let (code, text) = run(promtool, ["check", "metrics"], input: command.folder.file(file))
    #expect(code == 0, "\(text)")
  }

  /// Reads a file in OpenMetrics by prometheus_client, if that is there.
  static func parse(_ command: Command, _ file: String) throws {
    guard let python else { try Test.cancel("no python3 here has prometheus_client") }
    let script = """
      import sys
      from prometheus_client.openmetrics.parser import text_string_to_metric_families
      families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
      assert families and all(f.documentation for f in families)
      print(len(families), sum(len(f.samples) for f in families))
      """
    let (code, text) = run(python, ["-c", script, command.folder.file(file)])
    #expect(code == 0, "\(text)")
  }
}
