extension TextFormat {
  /// Fields of /proc/PID/stat after the state, as proc_pid_stat(5) names them; nil for addresses
  /// and fields that are always 0.
  private static let statFields: [String?] = [
    "ppid", "pgrp", "session", "tty_nr", "tpgid", "flags", "minflt", "cminflt", "majflt",
    "cmajflt", "utime", "stime", "cutime", "cstime", "priority", "nice", "num_threads", nil,
    "starttime", "vsize", "rss", "rsslim", nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, "exit_signal", "processor", "rt_priority", "policy", "delayacct_blkio_ticks",
    "guest_time", "cguest_time", nil, nil, nil, nil, nil, nil, nil, "exit_code",
  ]
  /// The kernel prints the times of children with a sign; a negative one is not a time.
  private static let signedStatFields: Set<String> = ["tpgid", "priority", "nice", "exit_signal"]

  /// `25849 (name) S 25848 …` of process `instance`. The name may contain any character: the text's
  /// last closing parenthesis ends it.
  package static func processStat(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [Placeholder] {
    guard let open = text.bytes.firstIndex(of: UInt8(ascii: "(")),
      let close = text.bytes.lastIndex(of: UInt8(ascii: ")")), open < close
    else { throw text.bytes.isEmpty ? .truncated : .malformed(line: 1, field: 2) }
    let end = text.bytes[close...].firstIndex(of: TextScanner.newline) ?? text.bytes.count
    let words = text.words(in: close + 1..<end)
    guard let state = words.first else { throw .truncated }
    var placeholders = PlaceholderList(text)
    placeholders.append(Placeholder(open + 1..<state.upperBound, .nameAndWord))
    // Linux 2.6.20 has fields up to `delayacct_blkio_ticks`.
    for (index, name) in statFields.enumerated() {
      guard index + 1 < words.count else {
        if index <= 38, let name {
          placeholders.unreadable(end..<end, TextField(name, of: instance))
        }
        continue
      }
      let word = words[index + 1]
      guard let name else {
        placeholders.ignore(word)
        continue
      }
      placeholders.number(
        word, TextField(name, of: instance), signedStatFields.contains(name) ? .signed : .decimal)
    }
    if words.count > statFields.count + 1 {
      placeholders.append(Placeholder(words[statFields.count].upperBound..<end, .restOfLine))
    }
    return try placeholders.finished()
  }

  /// Counts of /proc/PID/status; other lines are masks, identities or lists.
  private static let statusCounts: Set<String> = [
    "FDSize", "Threads", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
    "Seccomp_filters",
  ]

  /// `VmRSS:  3472 kB` and the counts of /proc/PID/status; other lines are skipped.
  package static func processStatus(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() where !line.words.isEmpty {
      let (label, values) = text.labelled(line)
      let name = text.string(label)
      // The name of a process may be `5 kB`.
      let isSize = values.count == 2 && text.string(values[1]) == "kB" && name != "Name"
      let isKnown = statusCounts.contains(name) || name.hasPrefix("Vm") || name.hasPrefix("Rss")
      guard isSize || isKnown, name != "Name" else {
        placeholders.skipRest(line)
        continue
      }
      let field = TextField(name, of: instance, suffix: isSize ? "kB" : "")
      guard let value = values.first else {
        placeholders.missing(line, field)
        continue
      }
      placeholders.number(value, field)
      if values.count > 1, !isSize {
        placeholders.append(Placeholder(value.upperBound..<line.range.upperBound, .restOfLine))
      }
    }
    return try placeholders.finished()
  }
}
