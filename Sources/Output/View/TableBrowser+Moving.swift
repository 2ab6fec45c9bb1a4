package import SampleModel

/// Moving through the rows.
extension TableBrowser {
  /// Shows the first row at this key or behind it; the last one where there is none.
  package func go(to key: UInt64) throws(LBError) {
    if !isLive, !window.covered.contains(key) || window.entries.isEmpty {
      window.reset(to: min(max(key, window.bounds.lowerBound), window.bounds.upperBound))
      top = 0
    }
    cursor = window.index(from: key)
    while cursor >= window.entries.count {
      if try window.readMore() == 0 { break }
      cursor = window.index(from: key)
    }
    if window.entries.isEmpty { cursor += try window.readEarlier() }
    cursor = max(0, min(cursor, window.entries.count - 1))
    top = cursor
    trim()
    isFollowing = false
  }

  /// Moves by lines; the screen follows where `scrolls`, else it stays as long as it can.
  func move(by count: Int, scrolls: Bool = false) throws(LBError) {
    isFollowing = false
    let below = cursor - top
    var wanted = cursor + count
    while wanted < 0 {
      let more = try window.readEarlier()
      if more == 0 { break }
      wanted += more
      (cursor, top) = (cursor + more, top + more)
      let gone = trim()
      wanted -= gone
    }
    while wanted >= window.entries.count {
      if try window.readMore() == 0 { break }
      wanted -= trim()
    }
    if wanted < 0 { sayForgotten() }
    cursor = max(0, min(wanted, window.entries.count - 1))
    if scrolls { top = cursor - below }
    if isLive, count > 0, cursor == window.entries.count - 1 { isFollowing = true }
  }

  func moveToStart() throws(LBError) {
    try go(to: window.bounds.lowerBound)
    if isLive { cursor = 0 }
    top = 0
    sayForgotten()
  }

  /// At the first line of a live view: says how many there were before it.
  private func sayForgotten() {
    guard forgotten > 0 else { return }
    say(
      "\(Counted.text(forgotten, "earlier line")) left out: a live view has the last ones, "
        + "--record FILE keeps every sample")
  }

  func moveToEnd() throws(LBError) {
    if isLive {
      cursor = max(0, window.entries.count - 1)
      isFollowing = true
    } else {
      let end = window.bounds.upperBound
      window.reset(to: end &+ 1)
      let count = try window.readEarlier()
      cursor = max(0, count - 1)
      top = 0
      trim()
    }
  }

  /// Moves to a part of the time from the first key to the last.
  func go(toShare share: Double) throws(LBError) {
    let keys = shownKeys
    let length = Double(keys.upperBound - keys.lowerBound)
    try go(to: keys.lowerBound + UInt64(min(length, max(0, length * share))))
  }

  /// The keys between which the view can move.
  var shownKeys: ClosedRange<UInt64> {
    guard isLive else { return window.bounds }
    let first = window.entries.first?.key ?? 0
    return first...max(first, window.entries.last?.key ?? 0)
  }

  /// Moves to the next line of a kind, or to the previous one.
  func moveToMark(
    of kind: ViewEntry.Kind, isForward: Bool, _ name: String
  ) throws(LBError) {
    guard window.entries.indices.contains(cursor) else { return say("no rows") }
    let here = window.entries[cursor]
    // Several may have the same key: within the lines at hand the place decides.
    let near =
      isForward
      ? window.entries[(cursor + 1)...].firstIndex { $0.isText(of: kind) }
      : window.entries[..<cursor].lastIndex { $0.isText(of: kind) }
    if let near {
      isFollowing = false
      return cursor = near
    }
    let other =
      isForward
      ? marks.first { $0.isText(of: kind) && $0.key > here.key && inBounds($0) }
      : marks.last { $0.isText(of: kind) && $0.key < here.key && inBounds($0) }
    guard let other else {
      return say("no \(isForward ? "later" : "earlier") \(name)")
    }
    try go(to: other.key)
    if let index = window.entries[cursor...].prefix(while: { $0.key == other.key }).firstIndex(
      where: { $0.isText(of: kind) })
    {
      cursor = index
    }
  }

  private func inBounds(_ entry: ViewEntry) -> Bool { window.bounds.contains(entry.key) }

  /// Makes the cursor's time the first or the last one that is shown.
  func setBound(isFirst: Bool) throws(LBError) {
    guard window.entries.indices.contains(cursor) else { return say("no rows") }
    let (key, bounds) = (window.entries[cursor].key, window.bounds)
    try setBounds(
      isFirst ? key...max(key, bounds.upperBound) : min(key, bounds.lowerBound)...key,
      isFirst ? "from here on; x shows the whole run" : "up to here; x shows the whole run")
  }

  /// Moves to a typed time: `90s` or `1.5m` since the start, `+10s` and `-10s` from here, `50%`, or
  /// a time of day.
  func go(toTime typed: String) throws(LBError) {
    let text = typed.filter { $0 != " " }
    guard !text.isEmpty else { return }
    guard window.entries.indices.contains(cursor) else { return say("no rows") }
    let here = window.entries[cursor]
    if text.hasSuffix("%"), let share = Double(text.dropLast()), (0...100).contains(share) {
      return try go(toShare: share / 100)
    }
    if text.contains(":") {
      guard let wanted = Self.secondOfDay(text),
        let now = Self.secondOfDay(String(style.clock(here.time).prefix(8)))
      else { return say("\(typed): no time of day such as 12:30:05") }
      // Of the same times on several days the one that is shown, else the nearest.
      let distances = [0, 86400, -86400].map { wanted - now + $0 }
      // From the beginning of this second.
      let part = Int(here.time % 1_000_000_000)
      let keys = distances.map { Self.key(here.key, movedBy: $0 * 1_000_000_000 - part) }
      return try go(to: keys.first { shownKeys.contains($0) } ?? keys[0])
    }
    let sign = text.first.map { "+-".contains($0) } ?? false
    guard let distance = Durations.parse(sign ? String(text.dropFirst()) : text) else {
      return say("\(typed): expected 90s, +10s, -10s, 50% or 12:30:05")
    }
    let signed = Int(min(distance, UInt64(Int.max)))
    if sign {
      try go(to: Self.key(here.key, movedBy: text.first == "-" ? -signed : signed))
    } else {
      try go(to: Self.key(origin, movedBy: signed))
    }
  }

  private static func key(_ key: UInt64, movedBy distance: Int) -> UInt64 {
    if distance < 0 { return key > distance.magnitude ? key - UInt64(distance.magnitude) : 0 }
    let (sum, isOver) = key.addingReportingOverflow(UInt64(distance))
    return isOver ? .max : sum
  }

  /// Seconds since midnight of `12:30` or `12:30:05`.
  private static func secondOfDay(_ text: String) -> Int? {
    let parts = text.parts(":", keepEmpty: true).map { Int($0) }
    guard (2...3).contains(parts.count), let hours = parts[0], let minutes = parts[1],
      (0..<24).contains(hours), (0..<60).contains(minutes)
    else { return nil }
    guard parts.count == 3 else { return hours * 3600 + minutes * 60 }
    guard let seconds = parts[2], (0...60).contains(seconds) else { return nil }
    return hours * 3600 + minutes * 60 + seconds
  }

  /// Forgets lines that are far away; returns how many of the first ones.
  @discardableResult
  func trim() -> Int {
    let gone = window.trim(near: cursor, columns: columns.all.count)
    cursor = max(0, cursor - gone)
    top = max(0, top - gone)
    return gone
  }
}
