import LinuxSystem
import Output
import SampleModel
import Sampler
import Synchronization

/// `lbsample --view`: rows as they come, on the whole screen.
final class LiveView {
  private let terminal: RawTerminal
  private let signals: SignalReader
  private let queue: LiveQueue
  private let clock: (UInt64) -> String

  /// The terminal's view; nil where it can have none, which is said. To be made before any other
  /// thread: it blocks signals.
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

  /// Makes `table` give its rows to the view, all of their columns.
  func take(over table: TableSink) { table.receiver = queue }

  /// Shows rows until the user leaves the view, `stop` is raised, or `isOver`, which is asked when
  /// `attention` is readable.
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
          // Dated by the row before it.
          let time = last.map { $0.time &+ (event.time &- $0.key) } ?? 0
          browser.append(rows.takeAll())
          browser.append([
            ViewEntry(key: event.time, time: time, .text(event.message.shownInLine, .event))
          ])
        }
      }
      browser.append(rows.takeAll())
    }
  }
}

/// Rows on their way from the drain, which never waits for the terminal, to the view.
private final class LiveQueue: TableReceiver, Sendable {
  enum Item: Sendable {
    case columns([TableColumn])
    case row(TableRow)
    case lines([String], UInt64, UInt64)
    case event(SampleEvent)
  }

  /// Beyond that, rows are left out of the view.
  private static let limit = 8192
  private let items = Mutex<[Item]>([])
  private let wakeUp: WakeUp

  init() throws(SystemError) { wakeUp = try WakeUp() }

  var pollDescriptor: Int32 { wakeUp.pollDescriptor }

  func takeAll() -> [Item] {
    wakeUp.clear()
    return items.withLock { items in
      defer { items = [] }
      return items
    }
  }

  func columns(_ columns: [TableColumn]) { add(.columns(columns)) }
  func row(_ row: TableRow) { add(.row(row)) }
  func lines(_ lines: [String], at start: UInt64, time: UInt64) {
    add(.lines(lines, start, time))
  }
  func event(_ event: SampleEvent) { add(.event(event)) }

  private func add(_ item: Item) {
    let isFirst = items.withLock { items in
      var isNeeded = items.count < Self.limit
      if case .columns = item { isNeeded = true }
      if isNeeded { items.append(item) }
      return items.count == 1
    }
    if isFirst { wakeUp.wake() }
  }
}
