import Foundation
import LinuxSystem
import Output
import PacketStatistics
import SampleModel
import Sampler

/// `lbsample --packets-file FILE`: samples the packets of a file, not the host.
extension SampleCommand {
  /// Shows the packets of a savefile as if they were captured now, as fast as they can be read.
  func replay(_ path: String, _ plan: Plan) throws {
    let options = try collectors.packets.ofFile()
    guard !isView else {
      throw LBError(
        .configuration, "--view follows this host, and --packets-file reads a file: remove one")
    }
    guard collectors.named.isEmpty, !collectors.all, record == nil, textfile == nil else {
      throw LBError(
        .configuration,
        "--packets-file reads packets with recorded times and cannot be combined with collectors "
          + "of this host, with --record or with --textfile: remove those options")
    }
    let file = try Savefile(path)
    if let filter = options.filter { try file.filter(filter) }
    let stop = try ownErrors { () throws(SystemError) in try StopFlag() }
    guard let shown = try self.view(plan.settings, host: [], stop: stop) else { return }
    let view = shown.sink
    let name = path == "-" ? "stdin" : path.parts("/").last.map(String.init) ?? path
    let outcome = try SavefileReplay(
      file, name: name, interval: plan.interval, options: options
    ).play(into: [view], limit: plan.limit)
    try shown.file.empty()
    if let view = view as? NDJSONSink {
      try view.end(ledger: Ledger(), overhead: Overhead())
    }
    if !log.quiet {
      let packets = Counted.text(outcome.packets, "packet")
      Console.say("\(packets) in \(Counted.text(outcome.frames, "frame"))")
    }
    if let reason = outcome.firstMalformation {
      Console.say(
        "lbsample: \(path): passed over \(outcome.malformed) packets that cannot be read: \(reason)"
      )
    }
    if let failure = outcome.failure { throw failure }
  }

  /// Reports that the output was not read, and what the recording lacks for that.
  func reportUnread(_ failure: LBError, _ recording: Recording? = nil, _ ledger: Ledger? = nil) {
    let path = failure.context.path ?? "output"
    var words = "lbsample: \(path): the reader stopped reading; rows are missing there"
    if let recording, let ledger, ledger.ring.dropped > 0 {
      words += ", and frames were dropped from \(recording.path) as well"
    }
    Console.say(words + (output == nil ? "; use -o FILE, or read faster" : "; read faster"))
  }
}
