import LinuxSystem
import Output
import SampleModel

/// Shows a view on the terminal, full screen, until the user quits.
final class FullScreen {
  /// Nanoseconds after which an escape character without a continuation is the Escape key.
  private static let escapeTimeout: UInt64 = 50_000_000
  /// Nanoseconds between attempts to write to a terminal whose buffer is full.
  private static let retry: UInt64 = 20_000_000

  private let terminal: RawTerminal
  private let signals: SignalReader
  private let browser: TableBrowser
  private var painter = ScreenPainter()
  private var keys = KeyDecoder()
  /// Whether the screen is out of date.
  private var isDirty = true

  /// A view on this process's terminal. `signals` reads the terminal's signals.
  init(_ terminal: RawTerminal, _ signals: SignalReader, _ browser: TableBrowser) {
    self.terminal = terminal
    self.signals = signals
    self.browser = browser
  }

  /// The terminal of standard input and output; nil, with the reason, if it cannot show a view.
  static func terminal() -> (RawTerminal?, reason: String) {
    let name = ProgramEnvironment.variables["TERM"] ?? ""
    guard !name.isEmpty, name != "dumb" else {
      return (nil, name.isEmpty ? "TERM is not set" : "TERM is \(name)")
    }
    guard
      let terminal = RawTerminal(
        input: 0, output: 1, enter: ScreenPainter.enter, leave: ScreenPainter.leave)
    else { return (nil, "standard input and output are not both a terminal") }
    let (size, least) = (Console.terminalSize(), TableBrowser.least)
    guard size.columns >= least.columns, size.rows >= least.rows else {
      return (
        nil,
        "the terminal has \(size.columns) × \(size.rows) characters; a view needs "
          + "\(least.columns) × \(least.rows)"
      )
    }
    return (terminal, "")
  }

  /// Shows the view until the user quits, the terminal is closed, `stop` is raised, or `isOver`
  /// returns true, which is evaluated when one of the descriptors `beside` is readable. `refresh`
  /// is called when `news` is readable.
  func run(
    unless stop: StopFlag, beside: [Int32] = [], news: Int32 = -1, isOver: () -> Bool = { false },
    refresh: () -> Void = {}
  ) throws(LBError) {
    Console.hold()
    defer {
      terminal.end()
      Console.release()
    }
    try ownErrors { () throws(SystemError) in try terminal.begin() }
    follow()
    while stop.raised == nil, !browser.isOver, !isOver() {
      try draw()
      let ready = Poll.wait(
        readable: [stop.pollDescriptor, signals.pollDescriptor, terminal.pollDescriptor, news]
          + beside, until: deadline)
      guard stop.raised == nil else { return }
      if ready.contains(1) { try takeSignals() }
      if ready.contains(3) {
        refresh()
        isDirty = true
      }
      if ready.contains(2) {
        guard try takeKeys() else { return }
      } else if keys.isWaiting, let key = keys.flush() {
        try take(key)
      }
      if browser.isBusy {
        try browser.step()
        isDirty = true
      }
    }
  }

  private var deadline: UInt64? {
    let now = Clock.monotonic()
    if browser.isBusy { return now }
    if terminal.isBehind { return now + Self.retry }
    return keys.isWaiting ? now + Self.escapeTimeout : nil
  }

  /// Draws the view. While the terminal has not accepted the previous screen, nothing is drawn; the
  /// next one shows the state of its time.
  private func draw() throws(LBError) {
    terminal.send()
    guard isDirty, terminal.isEntered, !terminal.isBehind else { return }
    let picture = try browser.picture()
    terminal.write(painter.paint(picture))
    isDirty = false
  }

  /// Adapts to the size of the window.
  private func follow() {
    let size = Console.terminalSize()
    browser.resize(columns: size.columns, rows: size.rows)
    painter.forget()
    isDirty = true
  }

  private func takeSignals() throws(LBError) {
    while let request = TerminalSignals.next(signals) {
      switch request {
      case .resize: follow()
      case .suspend:
        terminal.end()
        TerminalSignals.suspend()
      case .resume:
        // The shell may have changed the terminal's modes.
        terminal.end()
        try ownErrors { () throws(SystemError) in try terminal.begin() }
        follow()
      }
    }
  }

  /// Handles input; returns false if the terminal was closed.
  private func takeKeys() throws(LBError) -> Bool {
    guard let bytes = terminal.read() else { return false }
    for key in keys.take(bytes) {
      try take(key)
      if browser.isOver { break }
    }
    return true
  }

  private func take(_ key: ViewKey) throws(LBError) {
    if key == .control("L") { painter.forget() } else { try browser.take(key) }
    isDirty = true
  }
}
