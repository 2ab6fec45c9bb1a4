import Glibc
package import LinuxSystem
package import SampleModel
import Synchronization

#if Pcap
  import CPcap

  /// One interface's packets, counted on a thread of their own as they come.
  ///
  /// The kernel hands over a block of packets when it is full or `timeout` after it began. A
  /// snapshot for a time has every packet stamped up to it and none after: it waits until a later
  /// packet comes, or until none can be under way any more.
  @safe
  package final class PacketCapture: @unchecked Sendable {
    // Sendable: everything but the request, its answer and the flags belongs to the capture thread
    // from `start` on; a snapshot is read behind its acknowledgement.

    private let options: CaptureOptions
    private let cpus: CPUSet
    package let interface: String
    /// What the interface cannot do as asked.
    package private(set) var notes: [String] = []
    private let functions: PcapFunctions
    private var handle: PcapFunctions.Handle?
    private var aggregator: PacketAggregator
    private var thread: SystemThread?
    private let wake: CaptureWake
    private let question = Atomic<CaptureQuestion>(.none)
    private let questionTime = Atomic<UInt64>(0)
    private let ending = Atomic<Bool>(false)
    private let answered = FutexWord()
    /// 1 once the capture thread has given up its privileges, or has not: then `refusal` says why.
    private let isConfined = FutexWord()
    private let refusal = Atomic<Int32>(0)
    private let confine: @Sendable (Set<Capabilities.Name>) -> Int32
    private var asked: UInt32 = 0

    /// The numbers of the last answer, `PacketMetrics.count` of them.
    private let snapshot: UnsafeMutablePointer<UInt64>
    private var rows: [FlowTable.Row]
    private var portRows: [PacketAggregator.PortRow]
    private var rowCount = 0
    private var portCount = 0

    // The capture thread's own.
    private var received: UInt64 = 0
    private var dropped: UInt64 = 0
    private var lastStats = pcap_stat()
    private var interruptions: UInt64 = 0
    private var carrierLosses: UInt64?
    private var reopenAt: UInt64 = 0
    private var files: InterfaceFiles
    /// Time of the last tick that was answered.
    private var answeredTime: UInt64 = 0
    private var late: UInt64 = 0

    /// Opens the interface, to be counted on `cpus`; `confine` gives up the capture thread's other
    /// privileges, and gives errno where it cannot. Throws `collectorUnavailable` or
    /// `configuration`.
    package init(
      _ interface: String, _ options: CaptureOptions, cpus: CPUSet,
      confine: @escaping @Sendable (Set<Capabilities.Name>) -> Int32 = Capabilities.keepInThisThread
    ) throws(LBError) {
      self.cpus = cpus
      self.confine = confine
      guard let functions = PcapLibrary.functions else {
        throw LBError(
          .collectorUnavailable, "packets: libpcap is not installed; apt-get install libpcap0.8")
      }
      self.interface = interface
      self.options = options
      self.functions = functions
      var notes: [String] = []
      let handle = try unsafe functions.open(interface, options, &notes)
      unsafe self.handle = handle
      self.notes = notes
      // What may throw comes before the snapshot, which no deinit would free.
      do throws(SystemError) { wake = try CaptureWake() } catch {
        unsafe functions.close(handle)
        throw LBError(.collectorUnavailable, "packets: \(error)")
      }
      aggregator = unsafe Self.aggregator(interface, options, functions, handle)
      unsafe snapshot = .allocate(capacity: PacketMetrics.count)
      unsafe snapshot.initialize(repeating: 0, count: PacketMetrics.count)
      rows = Array(repeating: .none, count: max(1, options.top))
      portRows = Array(repeating: .none, count: max(1, options.top))
      files = InterfaceFiles(interface)
    }

    deinit {
      unsafe snapshot.deallocate()
      if let handle = unsafe handle { unsafe functions.close(handle) }
    }

    private static func aggregator(
      _ interface: String, _ options: CaptureOptions, _ functions: PcapFunctions,
      _ handle: PcapFunctions.Handle
    ) -> PacketAggregator {
      let (link, address, mtu) = unsafe functions.identity(interface, handle)
      return PacketAggregator(
        link, ownMAC: address, mtu: mtu,
        sampling: UInt64(options.sampling), allFlows: options.top > 0)
    }

    // MARK: The sampling thread's side

    /// Starts to count, on a thread without privileges. Throws `collectorUnavailable`.
    package func start() throws(LBError) {
      do throws(SystemError) {
        thread = try SystemThread(name: "lb-packets") { [unowned self] in main() }
      } catch {
        throw LBError(.collectorUnavailable, "packets: \(error)")
      }
      while isConfined.load() == 0 { Futex.wait(isConfined, whileEqualTo: 0, until: .max) }
      let refusal = refusal.load(ordering: .acquiring)
      guard refusal != 0 else { return }
      stop()
      throw LBError(
        .collectorUnavailable,
        "packets: the capture thread cannot give up its privileges (capset: "
          + "\(SystemError.words(refusal))), and reads no packets of strangers with them",
        context: ErrorContext(collector: "packets", errno: refusal))
    }

    /// Asks for a snapshot at `time` (Unix time in nanoseconds): where a bracket begins, or at a
    /// tick or its end.
    package func ask(at time: UInt64, opensBracket: Bool) {
      asked &+= 1
      questionTime.store(time, ordering: .relaxed)
      // Release: partner of the capture thread's acquire, which then sees the time.
      question.store(
        CaptureQuestion(number: asked, kind: opensBracket ? .open : .tick), ordering: .releasing)
      wake.signal()
    }

    /// Waits for what was asked for; false where it does not come by `deadline` of CLOCK_MONOTONIC.
    package func await(until deadline: UInt64) -> Bool {
      while true {
        let seen = answered.load()
        if seen == asked { return true }
        if Clock.monotonic() >= deadline { return false }
        Futex.wait(answered, whileEqualTo: seen, until: deadline)
      }
    }

    /// Number `index` of the last answer.
    package func value(_ index: Int) -> UInt64 { unsafe snapshot[index] }

    /// Writes the last answer's flows and ports from row `first` on; gives how many.
    package func write(_ words: inout MutableSpan<UInt64>, from first: Int) -> Int {
      let name = AddressText.words(interface)
      for row in 0..<rowCount {
        PacketRow(rows[row]).write(&words, at: first + row, interface: name)
      }
      for row in 0..<portCount {
        PacketRow(portRows[row]).write(&words, at: first + rowCount + row, interface: name)
      }
      return rowCount + portCount
    }

    /// Ends the thread and closes the interface.
    package func stop() {
      guard let thread else { return }
      ending.store(true, ordering: .releasing)
      wake.signal()
      thread.join()
      self.thread = nil
      if let handle = unsafe handle { unsafe functions.close(handle) }
      unsafe handle = nil
    }

    // MARK: The capture thread's side

    /// Longer than any packet stamped before it can be on its way.
    private var patience: UInt64 { options.longestWait }

    private func main() {
      do throws(SystemError) {
        // Off the workload's CPUs, where the sampling threads are too.
        if !cpus.isEmpty { try cpus.applyToThisThread() }
      } catch {
        // It counts wherever it runs.
      }
      // What reads packets of strangers needs no more than to open its interface again, with the
      // stamps that were asked for.
      let errno = confine(options.timestampType == nil ? [.netRaw] : [.netRaw, .netAdmin])
      refusal.store(errno, ordering: .releasing)
      isConfined.announce(1)
      guard errno == 0 else { return }
      while !ending.load(ordering: .acquiring) {
        let asked = question.load(ordering: .acquiring)
        if asked.kind == .open { open(asked) }
        takeOut()
        var deadline: UInt64 = .max
        // It may have been answered by a packet that came after its time.
        let open = question.load(ordering: .acquiring)
        if open.kind == .tick {
          let time = questionTime.load(ordering: .relaxed)
          let now = Clock.realtime()
          // A clock that was set back is no reason to wait for long.
          if now >= time &+ patience || now &+ patience < time {
            answer(open)
          } else {
            deadline = Clock.monotonic() &+ (time &+ patience &- now)
          }
        }
        // A vanished interface is noticed when it is read: once a second, where nothing comes.
        deadline = min(deadline, Clock.monotonic() &+ 1_000_000_000)
        if unsafe handle == nil { deadline = min(deadline, max(reopenAt, Clock.monotonic())) }
        let descriptor = unsafe handle.map { unsafe functions.descriptor($0) } ?? -1
        wake.wait(beside: descriptor, until: deadline)
      }
    }

    /// Begins a bracket before anything more is taken out: what is stamped before it is early, the
    /// rest is within.
    private func open(_ asked: CaptureQuestion) {
      aggregator.open(at: questionTime.load(ordering: .relaxed))
      answer(asked)
      // What is stamped before a bracket is counted before it, however late it comes.
      answeredTime = 0
    }

    /// Counts what the kernel has handed over.
    private func takeOut() {
      guard let handle = unsafe handle else {
        if Clock.monotonic() >= reopenAt { reopen() }
        return
      }
      let own = unsafe Unmanaged.passUnretained(self).toOpaque()
      while true {
        if ending.load(ordering: .relaxed) { return }
        // Some at a time: a flood must not keep it from being ended.
        let count = unsafe functions.dispatch(
          handle, 4096,
          { user, header, bytes in
            guard let user = unsafe user, let header = unsafe header else { return }
            let capture = unsafe Unmanaged<PacketCapture>.fromOpaque(user)
            unsafe capture._withUnsafeGuaranteedRef {
              unsafe $0.take(header.pointee, bytes)
            }
          }, own.assumingMemoryBound(to: UInt8.self))
        if count == 0 { return }
        if count < 0 {
          interrupt()
          return
        }
      }
    }

    @inline(__always)
    private func take(_ header: pcap_pkthdr, _ bytes: UnsafePointer<UInt8>?) {
      let time = PcapFunctions.time(header)
      // Acquire: partner of `ask`, whose time is then the question's. A plain load on x86.
      let asked = question.load(ordering: .acquiring)
      if time <= answeredTime { late &+= 1 }
      if asked.kind != .none, time > questionTime.load(ordering: .relaxed) {
        if asked.kind == .open { open(asked) } else { answer(asked) }
      }
      unsafe aggregator.add(
        UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(header.caplen)),
        wireLength: Int(header.len), time: time)
    }

    /// Copies the numbers as they stand, and says so.
    private func answer(_ asked: CaptureQuestion) {
      aggregator.settle()
      countInterruptions()
      for index in 0..<PacketCount.count {
        unsafe snapshot[index] = aggregator.counts[index]
      }
      readStats()
      unsafe snapshot[PacketMetrics.received] = received
      unsafe snapshot[PacketMetrics.droppedSocket] = dropped
      unsafe snapshot[PacketMetrics.droppedInterface] =
        (files.dropped.read() ?? 0) &+ (files.missed.read() ?? 0)
      unsafe snapshot[PacketMetrics.interruptions] = interruptions
      unsafe snapshot[PacketMetrics.isUp] = handle == nil || !isInterfaceUp ? 0 : 1
      unsafe snapshot[PacketMetrics.missedFlow] = aggregator.flows.missed
      unsafe snapshot[PacketMetrics.late] = late
      answeredTime = questionTime.load(ordering: .relaxed)
      rowCount = 0
      portCount = 0
      if options.top > 0 {
        var span = rows.mutableSpan
        rowCount = aggregator.flows.top(&span)
        var ports = portRows.mutableSpan
        portCount = aggregator.topPorts(&ports)
      }
      // A question that was asked meanwhile stays, and is answered next.
      _ = question.compareExchange(
        expected: asked, desired: .none, ordering: .acquiringAndReleasing)
      answered.announce(asked.number)
    }

    /// The socket's own counts, which are 32 bits wide: received has those dropped in it.
    private func readStats() {
      guard let handle = unsafe handle else { return }
      var now = pcap_stat()
      guard unsafe functions.stats(handle, &now) == 0 else { return }
      received &+= UInt64(now.ps_recv &- lastStats.ps_recv)
      dropped &+= UInt64(now.ps_drop &- lastStats.ps_drop)
      lastStats = now
    }

    /// While an interface is down the capture just goes on, so the kernel is asked: it counts how
    /// often a carrier went (sysfs-class-net, carrier_down_count, Linux 4.16).
    private func countInterruptions() {
      guard interface != "any" else { return }
      let now = files.carrierLosses.read() ?? 0
      // A new interface of the same name begins anew.
      if let carrierLosses { interruptions &+= now >= carrierLosses ? now &- carrierLosses : now }
      carrierLosses = now
    }

    /// Whether the interface is there and was not taken down: IFF_UP of its flags.
    private var isInterfaceUp: Bool {
      guard interface != "any" else { return true }
      return (files.flags.read() ?? 0) & 1 == 1
    }

    private static let reopenPause: UInt64 = 200_000_000

    /// The interface went away or down: it is waited for.
    private func interrupt() {
      readStats()
      if let handle = unsafe handle { unsafe functions.close(handle) }
      unsafe handle = nil
      interruptions &+= 1
      carrierLosses = nil
      reopenAt = Clock.monotonic() &+ Self.reopenPause
    }

    private func reopen() {
      do throws(LBError) {
        var notes: [String] = []
        let handle = try unsafe functions.open(interface, options, &notes)
        unsafe self.handle = handle
        files = InterfaceFiles(interface)
        lastStats = pcap_stat()
        // It may be another device of the same name.
        let (link, address, mtu) = unsafe functions.identity(interface, handle)
        aggregator.identify(link, ownMAC: address, mtu: mtu)
      } catch {
        reopenAt = Clock.monotonic() &+ Self.reopenPause
      }
    }
  }
#endif
