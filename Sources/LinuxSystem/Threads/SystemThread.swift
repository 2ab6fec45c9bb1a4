import CLinux
import Glibc

/// The scheduling policy and priority of a thread.
package enum SchedulingPriority: Sendable, Hashable, CustomStringConvertible {
  case other
  case fifo(Int32)
  case roundRobin(Int32)

  /// Parses `other`, `fifo:N` or `rr:N`; nil for anything else.
  package init?(_ text: String) {
    if text == "other" {
      self = .other
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let level = Int32(parts[1]), (1...99).contains(level) else {
      return nil
    }
    switch parts[0] {
    case "fifo": self = .fifo(level)
    case "rr": self = .roundRobin(level)
    default: return nil
    }
  }

  /// The form of the command line.
  package var description: String {
    switch self {
    case .other: "other"
    case .fifo(let level): "fifo:\(level)"
    case .roundRobin(let level): "rr:\(level)"
    }
  }

  /// Applies it to the calling thread.
  package func applyToThisThread() throws(SystemError) {
    var parameter = sched_param()
    let policy: Int32
    switch self {
    case .other: return
    case .fifo(let level):
      policy = SCHED_FIFO
      parameter.sched_priority = level
    case .roundRobin(let level):
      policy = SCHED_RR
      parameter.sched_priority = level
    }
    let result = unsafe pthread_setschedparam(pthread_self(), policy, &parameter)
    guard result == 0 else { throw SystemError("pthread_setschedparam \(self)", errno: result) }
  }
}

/// A pthread with a name and, if given, its own stack.
@safe
package final class SystemThread: @unchecked Sendable {
  // Sendable: the handle is written once before it is shared, and only the owner joins.

  /// The function that runs on the thread.
  package typealias Body = @Sendable () -> Void

  private final class Start {
    let name: String
    let time: TimeSource
    let number: Int
    let body: Body
    init(name: String, time: TimeSource, body: @escaping Body) {
      self.name = name
      self.time = time
      self.body = body
      number = time.virtual?.threadWillStart(name: name) ?? 0
    }
  }

  private var handle = pthread_t()
  private let stack: Mapping?
  private let time: TimeSource
  private let number: Int
  private var joined = false

  /// Starts `body` on a new thread called `name` (15 bytes of it). All signals stay blocked in it.
  package init(
    name: String, stack: Mapping? = nil, time: TimeSource = .system, body: @escaping Body
  ) throws(SystemError) {
    self.stack = stack
    self.time = time
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { _ = unsafe pthread_attr_destroy(&attributes) }
    if let stack {
      let memory = unsafe stack.memory
      guard let base = memory.baseAddress else {
        throw SystemError("pthread_attr_setstack", errno: EINVAL)
      }
      let result = unsafe pthread_attr_setstack(&attributes, base, memory.count)
      guard result == 0 else { throw SystemError("pthread_attr_setstack", errno: result) }
    }
    let argument = Start(name: name, time: time, body: body)
    number = argument.number
    let start = unsafe Unmanaged.passRetained(argument)
    var everything = sigset_t()
    var before = sigset_t()
    unsafe sigfillset(&everything)
    unsafe pthread_sigmask(SIG_SETMASK, &everything, &before)
    let result = unsafe pthread_create(
      &handle, &attributes,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        _ = unsafe lb_set_thread_name(String(start.name.prefix(15)))
        start.time.virtual?.threadBegins(start.number)
        start.body()
        start.time.virtual?.threadEnds(start.number)
        return nil
      }, start.toOpaque())
    unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    guard result == 0 else {
      unsafe start.release()
      time.virtual?.threadEnds(number)
      throw SystemError("pthread_create", errno: result)
    }
  }

  /// Detaches the thread: it is never joined.
  package func detach() {
    guard !joined else { return }
    joined = true
    pthread_detach(handle)
  }

  /// Waits for the body to return. Once only.
  package func join() {
    guard !joined else { return }
    joined = true
    time.virtual?.waitForEnd(number)
    pthread_join(handle, nil)
  }

  /// prctl(PR_SET_TIMERSLACK) of the calling thread: the delay allowed for grouping its timers.
  package static func setTimerSlack(nanoseconds: UInt64) throws(SystemError) {
    let result = lb_set_timer_slack(nanoseconds)
    guard result == 0 else { throw SystemError("prctl(PR_SET_TIMERSLACK)", errno: -result) }
  }
}
