import Foundation
import Glibc
import TestSupport
import Testing

/// The command against the tools that people compare it with, where they are installed: what lies
/// between two of their readings must lie between the two numbers.
@Suite(.serialized) struct OracleTests {
  /// What a tool prints in the C locale, nil where it is not installed.
  private func output(_ command: String...) throws -> String {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    guard
      let path = folders.map({ "\($0)/\(command[0])" })
        .first(where: FileManager.default.isExecutableFile)
    else {
      try Test.cancel("\(command[0]) is not installed")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = Array(command.dropFirst())
    process.environment = ["LC_ALL": "C", "PATH": "/usr/bin:/bin"]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    // A test's thread may have its signals blocked, which a child inherits: sar waits for SIGALRM.
    var all = sigset_t()
    var before = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_UNBLOCK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
    let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: bytes, as: UTF8.self)
  }

  private func sample(_ arguments: String...) throws -> [String: Double] {
    let command = try Command()
    let outcome = try command.start(
      arguments + ["--raw", "--format", "ndjson", "--interval", "20ms", "--count", "1"]
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    var values: [String: Double] = [:]
    for line in try outcome.objects() {
      values.merge(line["values"] as? [String: Double] ?? [:]) { $1 }
    }
    return values
  }

  @Test func memoryIsWhatFreeSays() throws {
    let before = try output("free", "-b")
    let after = try output("free", "-b")
    let values = try sample("--memory")
    func row(_ text: String) -> [Double] {
      text.split(separator: "\n").first { $0.hasPrefix("Mem:") }?.split(separator: " ")
        .compactMap { Double($0) } ?? []
    }
    #expect(row(before).first == values["memory.MemTotal"])
    // Other tests run beside: a twentieth of the whole is the most that they move.
    let slack = (values["memory.MemTotal"] ?? 0) / 20
    let available = try #require(values["memory.MemAvailable"])
    #expect(abs(try #require(row(after).last) - available) < slack)
    #expect(
      abs(try #require(row(after).dropFirst(2).first) - (values["memory.MemFree"] ?? 0)) < slack)
  }

  @Test func theHostsCountersAreVmstats() throws {
    func counters(_ text: String) -> [String: Double] {
      var counters: [String: Double] = [:]
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ", maxSplits: 1)
        if words.count == 2, let value = Double(words[0]) { counters[String(words[1])] = value }
      }
      return counters
    }
    let first = counters(try output("vmstat", "-s"))
    let values = try sample("--cpu", "--vm", "--vm-interval", "20ms")
    let last = counters(try output("vmstat", "-s"))
    let pairs: [(String, String, Double)] = [
      ("forks", "cpu.processes", 1), ("CPU context switches", "cpu.ctxt", 1),
      ("interrupts", "cpu.intr", 1), ("non-nice user cpu ticks", "cpu.user[all]", 1e7),
      ("system cpu ticks", "cpu.system[all]", 1e7), ("softirq cpu ticks", "cpu.softirq[all]", 1e7),
      ("pages swapped in", "vm.pswpin", 1), ("K paged in", "vm.pgpgin", 1024),
      ("K paged out", "vm.pgpgout", 1024),
    ]
    var compared = 0
    for (theirs, ours, scale) in pairs {
      guard let low = first[theirs], let high = last[theirs], let value = values[ours] else {
        continue
      }
      compared += 1
      // `user` of the kernel has guest time in it, vmstat's has not; none runs on a test host.
      #expect(value >= low * scale && value <= high * scale, "\(ours): \(low) \(value) \(high)")
    }
    #expect(compared >= 5, "vmstat -s names things as it used to")
  }

  @Test func socketsAreWhatSsSays() throws {
    let text = try output("ss", "-s")
    let values = try sample("--sockets", "--sockets-interval", "20ms")
    let tcp = try #require(text.split(separator: "\n").first { $0.hasPrefix("TCP:") })
    let timeWait = try #require(
      tcp.split(whereSeparator: { " ,()".contains($0) }).last.flatMap { Double($0) })
    // Other tests open sockets beside.
    #expect(abs((values["sockets.TCP.tw"] ?? -100) - timeWait) < 50)
    #expect(values["sockets.sockets.used"] != nil)
  }

  @Test func diskBytesAreIostats() throws {
    func kibibytes(_ text: String) -> [String: (read: Double, written: Double)] {
      var devices: [String: (Double, Double)] = [:]
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard words.count >= 7, let read = Double(words[5]), let written = Double(words[6]) else {
          continue
        }
        devices[String(words[0])] = (read, written)
      }
      return devices
    }
    let first = kibibytes(try output("iostat", "-d", "-k"))
    let values = try sample("--disk")
    let last = kibibytes(try output("iostat", "-d", "-k"))
    var compared = 0
    for (device, low) in first {
      guard let high = last[device], let read = values["disk.read_sectors[\(device)]"],
        let written = values["disk.write_sectors[\(device)]"]
      else { continue }
      compared += 1
      // iostat cuts to whole kibibytes.
      #expect(read >= low.read * 1024 && read < (high.read + 1) * 1024, "\(device)")
      #expect(written >= low.written * 1024 && written < (high.written + 1) * 1024, "\(device)")
    }
    #expect(compared > 0 || first.isEmpty)
  }

  /// `sar -n DEV 1 1` and `mpstat -P ALL 1 1` tell of a second that they choose themselves: a
  /// recording around it must hold at least what they counted.
  @Test func sarAndMpstatTellAPartOfARecording() throws {
    _ = (try output("sar", "-V"), try output("mpstat", "-V"))
    let command = try Command()
    let recording = try command.start([
      "--cpu", "--net", "--raw", "--format", "ndjson", "--interval", "100ms", "--duration", "10s",
    ])
    #expect(recording.wait { recording.output.contains(#""type":"sample""#) })
    let (sar, mpstat) = (command.folder.file("sar"), command.folder.file("mpstat"))
    // Packets over the loopback, and a shell that is busy sending them.
    let script = """
      sar -n DEV 1 2 >\(sar) & mpstat -P ALL 1 2 >\(mpstat) & end=$((SECONDS + 3))
      while [ $SECONDS -lt $end ]; do echo x >/dev/udp/127.0.0.1/9; done 2>/dev/null; wait
      """
    _ = try output("bash", "-c", script)
    recording.process.interrupt()
    let lines = try recording.finish().objects().filter { $0["type"] as? String == "sample" }
    func grown(_ name: String) throws -> Double {
      let values = lines.compactMap { ($0["values"] as? [String: Double])?[name] }
      return try #require(values.last) - (try #require(values.first))
    }
    func average(_ file: String, _ row: String) throws -> [Double] {
      let text = try String(contentsOfFile: file, encoding: .utf8)
      let line = text.split(separator: "\n").first {
        let words = $0.split(separator: " ")
        return words.count > 2 && words[0] == "Average:" && words[1] == row
      }
      return try #require(line, "\(file): \(row)").split(separator: " ").dropFirst(2)
        .compactMap { Double($0) }
    }
    // rxpck/s txpck/s rxkB/s txkB/s, rounded to hundredths, over two seconds.
    let loopback = try average(sar, "lo")
    #expect(loopback[0] > 10, "the shell sent nothing")
    #expect(try grown("net.rx_packets[lo]") >= (loopback[0] - 0.01) * 1.9)
    #expect(try grown("net.rx_bytes[lo]") >= (loopback[2] - 0.01) * 1.9 * 1024)
    // %usr is a share of the ticks that the kernel counted, which may be fewer than there were.
    let all = try average(mpstat, "all")
    let user = try grown("cpu.user[all]")
    let states = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    let total = try states.reduce(0) { try $0 + grown("cpu.\($1)[all]") }
    let times = lines.compactMap { $0["elapsed_ns"] as? Double }
    let seconds = (try #require(times.last) - (try #require(times.first))) / 1e9
    let part = all[0] / 100 * total * 2 / seconds
    #expect(user > 0 && user >= part * 0.8, "\(user) ns here, \(part) in mpstat's two seconds")
    // The rest of the three seconds was not all user time.
    #expect(user <= part + (seconds - 1.9) * total / seconds)
  }

  @Test func nodesAreNumastats() throws {
    func counts(_ text: String) -> [String: [Double]] {
      var rows: [String: [Double]] = [:]
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        let numbers = words.dropFirst().compactMap { Double($0) }
        if let name = words.first, numbers.count == words.count - 1, !numbers.isEmpty {
          rows[String(name)] = numbers
        }
      }
      return rows
    }
    let first = counts(try output("numastat"))
    let values = try sample("--numa", "--numa-interval", "20ms")
    let last = counts(try output("numastat"))
    for name in ["numa_hit", "numa_miss", "local_node", "other_node"] {
      guard let low = first[name], let high = last[name] else { continue }
      for node in low.indices {
        let value = try #require(values["numa.\(name)[node\(node)]"])
        #expect(value >= low[node] && value <= high[node], "\(name) of node \(node)")
      }
    }
  }
}
