extension TextFormat {
  /// Fields of /proc/PID/stat behind the state, as proc_pid_stat(5) names them; addresses and
  /// what the kernel shows as 0 have no name here.
  private static let statFields: [String?] = [
    "ppid", "pgrp", "session", "tty_nr", "tpgid", "flags", "minflt", "cminflt", "majflt",
    "cmajflt", "utime", "stime", "cutime", "cstime", "priority", "nice", "num_threads", nil,
    "starttime", "vsize", "rss", "rsslim", nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, "exit_signal", "processor", "rt_priority", "policy", "delayacct_blkio_ticks",
    "guest_time", "cguest_time", nil, nil, nil, nil, nil, nil, nil, "exit_code",
  ]
  private static let signedStatFields: Set<String> = [
    "tpgid", "priority", "nice", "exit_signal", "cutime", "cstime",
  ]

  /// `25849 (name) S 25848 …` of process `instance`. The name may hold anything.
  package static func processStat(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    guard let line = try text.lines().first,
      let open = text.bytes[line.range].firstIndex(of: UInt8(ascii: "(")),
      let close = text.bytes[line.range].lastIndex(of: UInt8(ascii: ")")), open < close
    else { throw .malformed(line: 1, field: 2) }
    let words = text.words(in: close + 1..<line.range.upperBound)
    guard let state = words.first else { throw .truncated }
    var holes = [TextHole(open + 1..<state.upperBound, .nameAndWord)]
    for (place, word) in words.dropFirst().enumerated() {
      let name = place < statFields.count ? statFields[place] : nil
      let field = TextField(name ?? "", of: instance)
      if name.map(signedStatFields.contains) ?? false {
        holes.append(try text.signed(word, field, line: line, word: place + 3))
      } else {
        holes.append(try text.decimal(word, field, line: line, word: place + 3))
      }
    }
    return holes
  }

  /// Numbers of /proc/PID/status that are no masks, identities or lists.
  private static let statusCounts: Set<String> = [
    "FDSize", "Threads", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
    "Seccomp_filters",
  ]

  /// `VmRSS:	    3472 kB` and the counts of /proc/PID/status; other lines are read over.
  package static func processStatus(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard let first = line.words.first else { continue }
      let name = label(text, first)
      let isSize = line.words.count == 3 && text.string(line.words[2]) == "kB"
      guard isSize || (statusCounts.contains(name) && line.words.count == 2) else {
        // The label stays literal: which lines there are is the text's shape.
        let start = min(first.upperBound, line.range.upperBound)
        holes.append(TextHole(start..<line.range.upperBound, .restOfLine))
        continue
      }
      let suffix = isSize ? "kB" : ""
      holes.append(
        try text.decimal(
          line.words[1], TextField(name, of: instance, suffix: suffix), line: line, word: 1))
    }
    return holes
  }
}
