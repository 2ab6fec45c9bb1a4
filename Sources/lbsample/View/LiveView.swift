import LinuxSystem
import Output
import SampleModel
import Sampler
import Synchronization

/// `lbsample --view`: the live table, full screen.
final class LiveView {
  private let terminal: RawTerminal
  private let signals: SignalReader
  private let queue: LiveQueue
  private let clock: (UInt64) -> String

  /// A view on the terminal; nil, with a message, if the terminal cannot show one. Blocks signals,
  /// so it must be created before other threads.
  init?(clock: @escaping (UInt64) -> String, isQuiet: Bool) throws(LBError) {
    let (terminal, reason) = FullScreen.terminal()
    guard let terminal else {
      if !isQuiet { Console.say("lbsample: no view: \(reason)") }
      return nil
    }
    self.terminal = terminal
    self.clock = clock
    signals = try ownErrors { () throws(SystemError) in try TerminalSignals.reader() }
    queue = try ownErrors { () throws(SystemError) in try LiveQueue() }
  }

  /// Makes `table` send its rows, with all columns, to the view.
  func take(over table: TableSink) { table.receiver = queue }

  /// Shows rows until the user quits, `stop` is raised, or `isOver` returns true, which is
  /// evaluated when `attention` is readable.
  func run(
    _ style: TableSink.Style, unless stop: StopFlag, attention: Int32, isOver: () -> Bool
  ) throws(LBError) {
    let columns = ViewColumns()
    let rows = ViewRows(columns, clock: clock)
    let browser = TableBrowser(
      liveColumns: columns,
      style: ViewStyle.current(style, title: "lbsample", clock: clock) { _ in nil })
    let queue = queue
    var last: (key: UInt64, time: UInt64)?
    try FullScreen(terminal, signals, browser).run(
      unless: stop, beside: [attention], news: queue.pollDescriptor, isOver: isOver
    ) {
      for item in queue.takeAll() {
        switch item {
        case .columns(let all): rows.columns(all)
        case .row(let row):
          rows.row(row)
          last = (max(row.header.deadline, row.header.start), row.time)
        case .lines(let lines, let start, let time): rows.lines(lines, at: start, time: time)
        case .event(let event):
          // Its date follows from the previous row.
          let time = last.map { $0.time &+ (event.time &- $0.key) } ?? 0
          browser.append(rows.takeAll())
          browser.append([
            ViewEntry(key: event.time, time: time, .text(event.message.shownInLine, .event))
          ])
        case .leftOut(let count):
          browser.append(rows.takeAll())
          let text =
            "\(Counted.text(count, "line")) left out: the screen was too slow for them; "
            + "--record keeps every sample"
          browser.append([
            ViewEntry(key: last?.key ?? 0, time: last?.time ?? 0, .text(text, .event))
          ])
        }
      }
      browser.append(rows.takeAll())
    }
  }
}

/// A queue from the drain, which never waits for the terminal, to the view.
private final class LiveQueue: TableReceiver, Sendable {
  enum Item: Sendable {
    case columns([TableColumn])
    case row(TableRow)
    case lines([String], UInt64, UInt64)
    case event(SampleEvent)
    /// The number of items that found no room behind the others.
    case leftOut(Int)
  }

  /// The content of the queue.
  private struct Waiting {
    var items: [Item] = []
    var leftOut = 0
  }

  /// The maximum number of items; the view reports how many more there were.
  private static let limit = 8192
  private let waiting = Mutex(Waiting())
  private let wakeUp: WakeUp

  init() throws(SystemError) { wakeUp = try WakeUp() }

  var pollDescriptor: Int32 { wakeUp.pollDescriptor }

  func takeAll() -> [Item] {
    wakeUp.clear()
    return waiting.withLock { waiting in
      defer { waiting = Waiting() }
      return waiting.items + (waiting.leftOut > 0 ? [.leftOut(waiting.leftOut)] : [])
    }
  }

  func columns(_ columns: [TableColumn]) { add(.columns(columns)) }
  func row(_ row: TableRow) { add(.row(row)) }
  func lines(_ lines: [String], at start: UInt64, time: UInt64) {
    add(.lines(lines, start, time))
  }
  func event(_ event: SampleEvent) { add(.event(event)) }

  private func add(_ item: Item) {
    let isFirst = waiting.withLock { waiting in
      var isNeeded = waiting.items.count < Self.limit
      if case .columns = item { isNeeded = true }
      if isNeeded { waiting.items.append(item) } else { waiting.leftOut += 1 }
      return waiting.items.count == 1
    }
    if isFirst { wakeUp.wake() }
  }
}
