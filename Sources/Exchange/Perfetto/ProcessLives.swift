import SampleModel

/// The life of a process of the workload's tree, as its records have it.
struct ProcessLife: Equatable {
  let bracket: UInt32
  let pid: UInt64
  let parent: UInt64?
  /// As last seen: a program that it executes gives it another.
  var name: String
  /// On the run's time line: first seen, or by the time from its start to its exit.
  var start: UInt64
  /// Last seen, or found to have ended.
  var end: UInt64
  /// As wait(2) has it.
  var exitCode: UInt64?
  /// CPU time in nanoseconds, as last seen.
  var cpuTime: UInt64?
  var hasEnded = false
}

/// Finds the lives of processes in the records of `tree`.
struct ProcessLives {
  /// The most that are kept.
  static let most = 65_536
  /// The schema of their records.
  static let schema = "process"

  private struct Key: Hashable {
    let stream: UInt16
    let bracket: UInt32
    let pid: UInt64
  }

  private var schemas: [UInt16: RecordSchema] = [:]
  private var known: [Key: Int] = [:]
  private(set) var lives: [ProcessLife] = []
  private(set) var leftOut = 0

  /// Takes the schemas of the records.
  mutating func begin(_ meta: StreamMeta) {
    for schema in meta.records where schema.name == Self.schema {
      schemas[schema.stream] = schema
    }
  }

  /// Takes a batch of records.
  mutating func take(_ header: FrameHeader, _ rows: Span<UInt64>) {
    guard let schema = schemas[header.stream], !schema.fields.isEmpty else { return }
    for row in 0..<rows.count / schema.fields.count {
      var numbers: [String: UInt64] = [:]
      var name = ""
      for value in RecordValue.read(rows, row: row, schema) {
        switch value.content {
        case .number(let number): numbers[value.name] = number
        case .text(let text): if value.name == "comm" { name = text }
        }
      }
      take(header, numbers, name)
    }
  }

  private mutating func take(_ header: FrameHeader, _ row: [String: UInt64], _ name: String) {
    // A thread is within its process.
    guard let pid = row["pid"], row["kind"] != 1 else { return }
    let key = Key(stream: header.stream, bracket: header.bracket, pid: pid)
    let hasEnded = row["kind"] == 3 || row["kind"] == 2 && row["tid"] == pid
    var index = known[key]
    // The kernel gave the number to another process.
    if let life = index, lives[life].hasEnded, header.start > lives[life].end, !hasEnded {
      index = nil
    }
    guard let index = index ?? add(key, row["ppid"], name, at: header.start) else { return }
    lives[index].end = max(lives[index].end, header.start)
    if !name.isEmpty { lives[index].name = name }
    if row["kind"] != 2 || row["tid"] == pid {
      lives[index].cpuTime = max(lives[index].cpuTime ?? 0, row["sum_exec_runtime"] ?? 0)
    }
    guard hasEnded else { return }
    lives[index].hasEnded = true
    if let code = row["exit_code"] { lives[index].exitCode = code }
    if let elapsed = row["elapsed"], elapsed <= header.start {
      lives[index].start = min(lives[index].start, header.start - elapsed)
    }
  }

  private mutating func add(
    _ key: Key, _ parent: UInt64?, _ name: String, at time: UInt64
  ) -> Int? {
    guard lives.count < Self.most else {
      leftOut += 1
      return nil
    }
    known[key] = lives.count
    lives.append(
      ProcessLife(
        bracket: key.bracket, pid: key.pid, parent: parent, name: name, start: time, end: time))
    return lives.count - 1
  }

  /// The most processes side by side.
  static let mostLanes = 256

  /// The lives in order of their starts, each with the number of a row in which no other overlaps
  /// it; and how many found none.
  static func lanes(_ lives: [ProcessLife]) -> (lives: [(life: ProcessLife, lane: Int)], Int) {
    var ends: [UInt64] = []
    var inLanes: [(ProcessLife, Int)] = []
    var leftOut = 0
    for life in lives.sorted(by: { ($0.start, $0.pid) < ($1.start, $1.pid) }) {
      let free = ends.firstIndex { $0 <= life.start }
      guard let lane = free ?? (ends.count < mostLanes ? ends.count : nil) else {
        leftOut += 1
        continue
      }
      if lane == ends.count { ends.append(life.end) } else { ends[lane] = life.end }
      inLanes.append((life, lane))
    }
    return (inLanes, leftOut)
  }
}
