import Foundation
import Glibc
import TestSupport
import Testing

/// An armed sampler and the programs that bracket with it.
@Suite struct ArmCommandTests {
  /// A program's end of the socket.
  private final class Client {
    let descriptor: Int32

    init?(_ path: String) {
      descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8)
      guard bytes.count < 108 else { return nil }
      unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
        for (place, byte) in bytes.enumerated() { unsafe room[place] = byte }
      }
      var timeout = timeval(tv_sec: 10, tv_usec: 0)
      _ = unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
      let size = socklen_t(MemoryLayout<sockaddr_un>.size)
      let result = unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(descriptor, $0, size)
        }
      }
      guard result == 0 else { return nil }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
      let bytes = Array(text.utf8)
      #expect(unsafe write(descriptor, bytes, bytes.count) == bytes.count)
    }

    /// The next line, or nil where the other end has closed.
    func line() throws -> [String: Any]? {
      var line: [UInt8] = []
      var byte: UInt8 = 0
      while unsafe read(descriptor, &byte, 1) == 1 {
        if byte == UInt8(ascii: "\n") {
          return try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        }
        line.append(byte)
      }
      return nil
    }

    func ask(_ request: String) throws -> [String: Any] {
      send(request + "\n")
      return try #require(try line())
    }
  }

  /// A sampler that listens in a folder of its own.
  private func armed(
    _ command: Command, _ options: [String] = []
  ) throws -> (running: Running, path: String) {
    let path = command.folder.file("control")
    let running = try command.start(
      ["arm", "--control", path, "--cpu", "--config", "/dev/null"] + options)
    #expect(running.wait { running.error.contains("armed") || !running.process.isRunning })
    return (running, path)
  }

  @Test func aPythonProgramBracketsAThousandTimes() throws {
    let script = "\(Command.repository)/Examples/brackets.py"
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") else {
      try Test.cancel("there is no python3 here")
    }
    let command = try Command()
    let (running, path) = try armed(command, ["--net"])
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    python.arguments = [script, path, "1000"]
    let output = Foundation.Pipe()
    python.standardOutput = output
    try python.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    python.waitUntilExit()
    let said = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(python.terminationStatus == 0 && said["brackets"] as? Int == 1000)
    let outcome = try running.finish()
    #expect(outcome.code == 0 && outcome.error.contains("disarmed after 1000 brackets"))
    #expect(!FileManager.default.fileExists(atPath: path), "the socket goes with its sampler")
  }

  @Test func requestsThatDoNotFitAreRefusedAndChangeNothing() throws {
    let command = try Command()
    let (running, path) = try armed(command)
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    let client = try #require(Client(path))
    for (request, words) in [
      (#"{"request":"stop"}"#, "no bracket is open"), (#"{"request":"strat"}"#, "mean start"),
      ("start", "not a request: expected an object"), (#"{"request":"mark"}"#, "mark needs a name"),
    ] {
      let reply = try client.ask(request)
      #expect(reply["ok"] as? Bool == false && reply["state"] as? String == "armed")
      #expect((reply["error"] as? String)?.contains(words) == true, "\(reply)")
    }
    #expect(try client.ask(#"{"request":"start","label":"one"}"#)["ok"] as? Bool == true)
    for request in [#"{"request":"start"}"#, #"{"request":"disarm"}"#] {
      let reply = try client.ask(request)
      #expect(reply["ok"] as? Bool == false && reply["state"] as? String == "open")
    }
    // One program at a time; the first one's bracket is not touched.
    let other = try #require(Client(path))
    #expect(try other.line()?["ok"] as? Bool == false)
    let stop = try client.ask(#"{"request":"stop"}"#)
    #expect(stop["ok"] as? Bool == true && stop["label"] as? String == "one")
    let metrics = try #require(stop["metrics"] as? [String: Double])
    #expect(metrics["cpu.user[all]"] != nil)
    #expect(stop["bracket_ns"] as? Int ?? 0 > 0)
    #expect(try client.ask(#"{"request":"disarm"}"#)["ok"] as? Bool == true)
    #expect(try running.finish().code == 0)
  }

  @Test func aProgramThatVanishesClosesItsBracketAsInterrupted() throws {
    let command = try Command()
    let file = command.folder.file("brackets.lbsample")
    let (running, path) = try armed(command, ["--record", file, "--interval", "10ms"])
    do {
      let client = try #require(Client(path))
      #expect(try client.ask(#"{"request":"start","label":"whole"}"#)["ok"] as? Bool == true)
      #expect(try client.ask(#"{"request":"mark","name":"half"}"#)["ok"] as? Bool == true)
      usleep(50_000)
      #expect(try client.ask(#"{"request":"stop"}"#)["ok"] as? Bool == true)
      #expect(try client.ask(#"{"request":"start","label":"cut off"}"#)["ok"] as? Bool == true)
    }
    let next = try #require(Client(path))
    #expect(
      running.wait {
        (try? next.ask(#"{"request":"status"}"#)["brackets"] as? Int) == 2
      })
    // What is no line is no request, and its program is let go.
    next.send(String(repeating: "x", count: 9000))
    #expect(try next.line()?["ok"] as? Bool == false)
    kill(running.process.processIdentifier, SIGTERM)
    #expect(try running.finish().code == 143)
    let shown = try Command()("runs", "show", file, "--format", "json")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
    let phases = try #require(result["phases"] as? [[String: Any]])
    let repetitions = try #require(phases.first?["repetitions"] as? [[String: Any]])
    #expect(repetitions.map { $0["label"] as? String } == ["whole", "cut off"])
    #expect(repetitions.map { $0["status"] as? String } == ["completed", "interrupted"])
    let export = try Command()("export", file, "--format", "csv")
    #expect(export.output.split(separator: "\n").count > 3, "the samples within the brackets")
  }

  @Test func aMarksNameForgesNoEventOfTheJournal() throws {
    let command = try Command()
    let file = command.folder.file("marked.lbsample")
    let (running, path) = try armed(command, ["--record", file, "--interval", "10ms"])
    let client = try #require(Client(path))
    #expect(try client.ask(#"{"request":"start","label":"one"}"#)["ok"] as? Bool == true)
    let mark = #"{"request":"mark","name":"half\n2026-11-29 forged"}"#
    #expect(try client.ask(mark)["ok"] as? Bool == true)
    #expect(try client.ask(#"{"request":"stop"}"#)["ok"] as? Bool == true)
    #expect(try client.ask(#"{"request":"disarm"}"#)["ok"] as? Bool == true)
    #expect(try running.finish().code == 0)
    let lines = try command("runs", "show", file, "--journal").lines
    #expect(!lines.contains { $0.hasPrefix("2026-11-29 forged") }, "\(lines)")
    #expect(lines.contains { $0.hasSuffix(#" info mark: half\n2026-11-29 forged"#) }, "\(lines)")
  }

  @Test func aPathThatIsTakenIsRefusedAndAStaleSocketIsNot() throws {
    let command = try Command()
    let (running, path) = try armed(command)
    let second = try command("arm", "--control", path, "--cpu", "--config", "/dev/null")
    #expect(second.code == 2, "\(second.error)")
    #expect(second.error.contains("another program listens there"), "\(second.error)")
    kill(running.process.processIdentifier, SIGKILL)
    running.process.waitUntilExit()
    #expect(FileManager.default.fileExists(atPath: path), "killed: nobody removed it")
    let (third, _) = try armed(command)
    let client = try #require(Client(path))
    #expect(try client.ask(#"{"request":"disarm"}"#)["ok"] as? Bool == true)
    #expect(try third.finish().code == 0)
    try command.folder.write("plain", "no socket\n")
    let plain = try command(
      "arm", "--control", command.folder.file("plain"), "--cpu", "--config", "/dev/null")
    #expect(plain.code == 2)
    #expect(
      try String(contentsOfFile: command.folder.file("plain"), encoding: .utf8) == "no socket\n")
  }

  @Test(
    .enabled(
      if: getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")
        && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"),
      "another user is played by root, with setpriv and python3"))
  func anotherUserIsRefused() throws {
    let command = try Command()
    let (running, path) = try armed(command)
    func stranger() throws -> String {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
      process.arguments = [
        "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
        """
        import socket
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        try:
            s.connect("\(path)")
            print(s.makefile().readline())
        except PermissionError:
            print("denied")
        """,
      ]
      let output = Pipe()
      process.standardOutput = output
      try process.run()
      let text = output.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return String(decoding: text, as: UTF8.self)
    }
    _ = unsafe chmod(command.folder.path, 0o755)
    #expect(try stranger().contains("denied"), "the socket is its owner's alone")
    _ = unsafe chmod(path, 0o666)
    let answer = try stranger()
    #expect(answer.contains(#""ok":false"#), "\(answer)")
    #expect(answer.contains("belongs to user 0, not to 65534"), "\(answer)")
    let client = try #require(Client(path))
    #expect(try client.ask(#"{"request":"status"}"#)["ok"] as? Bool == true, "ours is served")
    #expect(try client.ask(#"{"request":"disarm"}"#)["ok"] as? Bool == true)
    #expect(try running.finish().code == 0)
  }
}
