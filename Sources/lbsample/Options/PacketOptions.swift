import ArgumentParser
import PacketStatistics
import SampleModel

/// Which packets are counted, and how.
struct PacketOptions: ParsableArguments {
  @Option(
    name: .customLong("packets"),
    help: ArgumentHelp(
      "Count the packets of these interfaces, such as eth0,lo, or any for all interfaces.",
      valueName: "interfaces"))
  var interfaces: String?
  @Option(
    name: .customLong("packets-file"),
    help: ArgumentHelp(
      "Count the packets of this pcap or pcapng file at their recorded times (sample only); - is "
        + "standard input.", valueName: "file"))
  var file: String?
  @Option(
    name: .customLong("packets-filter"), parsing: .unconditional,
    help: ArgumentHelp(
      "Count only packets that match this pcap-filter(7) expression, as in tcpdump.",
      valueName: "bpf"))
  var filter: String?
  @Option(
    name: .customLong("packets-snaplen"), parsing: .unconditional,
    help: ArgumentHelp("Bytes of each packet to capture (default: 128).", valueName: "n"))
  var snapLength: String?
  @Option(
    name: .customLong("packets-sample"), parsing: .unconditional,
    help: ArgumentHelp("Decode only every N-th packet; all are counted.", valueName: "1/n"))
  var sampling: String?
  @Option(
    name: .customLong("packets-buffer"), parsing: .unconditional,
    help: ArgumentHelp("Size of the kernel's buffer in bytes (default: 8388608).", valueName: "n"))
  var buffer: String?
  @Option(
    name: .customLong("packets-direction"), parsing: .unconditional,
    help: ArgumentHelp("Direction of the packets to count: both, in or out.", valueName: "which"))
  var direction: String?
  @Option(
    name: .customLong("packets-timestamp"), parsing: .unconditional,
    help: ArgumentHelp(
      "Source of the packets' timestamps: host, adapter, … (pcap-tstamp(7)).", valueName: "type"))
  var timestamp: String?
  @Flag(
    name: .customLong("packets-promiscuous"),
    help: "Promiscuous mode: count packets to other hosts too.")
  var isPromiscuous = false
  @Option(
    name: .customLong("packets-top"), parsing: .unconditional,
    help: ArgumentHelp(
      "Record the N flows and ports with the most bytes (default: 10 in run, else 0).",
      valueName: "n"))
  var top: String?

  /// The options as entries of a result's configuration.
  var entries: [(String, String)] {
    [
      ("collectors.packets", interfaces ?? ""), ("collectors.packets_filter", filter ?? ""),
      ("collectors.packets_snaplen", snapLength ?? ""),
      ("collectors.packets_sample", sampling ?? ""),
      ("collectors.packets_direction", direction ?? ""),
      ("collectors.packets_promiscuous", isPromiscuous ? "true" : ""),
    ]
  }

  /// The chosen capture, nil for none; with this many flows by default.
  func choice(usually flows: Int) throws(LBError) -> CaptureOptions? {
    guard let interfaces else {
      let other: [(String, Bool)] = [
        ("--packets-filter", filter != nil), ("--packets-snaplen", snapLength != nil),
        ("--packets-sample", sampling != nil), ("--packets-buffer", buffer != nil),
        ("--packets-direction", direction != nil), ("--packets-timestamp", timestamp != nil),
        ("--packets-promiscuous", isPromiscuous), ("--packets-top", top != nil),
      ]
      if file == nil, let option = other.first(where: \.1)?.0 {
        throw LBError(.configuration, "\(option) requires --packets INTERFACE")
      }
      return nil
    }
    return try read(interfaces.parts(",").map(String.init), top: flows)
  }

  /// How the packets of `--packets-file` are read.
  func ofFile() throws(LBError) -> CaptureOptions {
    let live: [(String, Bool)] = [
      ("--packets", interfaces != nil), ("--packets-snaplen", snapLength != nil),
      ("--packets-buffer", buffer != nil), ("--packets-direction", direction != nil),
      ("--packets-timestamp", timestamp != nil), ("--packets-promiscuous", isPromiscuous),
    ]
    if let option = live.first(where: \.1)?.0 {
      throw LBError(
        .configuration, "\(option) is for live captures: remove it, or remove --packets-file")
    }
    return try read([], top: 0)
  }

  private func read(_ names: [String], top usual: Int) throws(LBError) -> CaptureOptions {
    var options = CaptureOptions(interfaces: names)
    options.top = usual
    if Set(names.map(ExactText.init)).count < names.count || names.isEmpty && file == nil {
      throw LBError(
        .configuration, "--packets \(interfaces ?? ""): expected names of interfaces, each once")
    }
    options.filter = filter
    if let length = try number(snapLength, "--packets-snaplen", 14...262_144) {
      options.snapLength = length
    }
    if let size = try number(buffer, "--packets-buffer", 65_536...1_073_741_824) {
      options.bufferBytes = size
    }
    if let count = try number(top, "--packets-top", 0...256) { options.top = count }
    if let sampling {
      let text = sampling.hasPrefix("1/") ? String(sampling.dropFirst(2)) : ""
      guard let each = Int(text), (1...1_000_000).contains(each) else {
        throw LBError(.configuration, "--packets-sample \(sampling): expected 1/N, as in 1/100")
      }
      options.sampling = each
    }
    if let direction {
      guard let known = CaptureOptions.Direction(rawValue: direction) else {
        throw LBError(
          .configuration, "--packets-direction \(direction): expected both, in or out")
      }
      options.direction = known
    }
    if timestamp == "adapter_unsynced" {
      throw LBError(
        .configuration, "--packets-timestamp adapter_unsynced: brackets need the host's clock")
    }
    options.timestampType = timestamp
    options.isPromiscuous = isPromiscuous
    return options
  }

  private func number(
    _ text: String?, _ option: String, _ range: ClosedRange<Int>
  ) throws(LBError) -> Int? {
    guard let text else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw LBError(
        .configuration,
        "\(option) \(text): expected a whole number from \(range.lowerBound) to "
          + "\(range.upperBound)")
    }
    return value
  }
}
