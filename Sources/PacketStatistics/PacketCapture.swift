import Glibc
package import LinuxSystem
package import SampleModel
import Synchronization

#if Pcap
  import CPcap

  /// Counts one interface's packets on a thread of its own.
  ///
  /// The kernel delivers a block of packets when it is full or `timeout` after its start. A
  /// snapshot for a time includes exactly the packets stamped until then: it waits for a later
  /// packet, or until no earlier one can arrive.
  @safe
  package final class PacketCapture: @unchecked Sendable {
    // Sendable: from `start` on everything belongs to the capture thread, except the request, its
    // answer and the flags; a snapshot is read after its acknowledgement.

    private let options: CaptureOptions
    private let cpus: CPUSet
    package let interface: String
    /// Options that the interface does not support.
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
    /// 1 once the capture thread has dropped its privileges, or failed to: then `refusal` has the
    /// reason.
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

    // Used by the capture thread only.
    private var received: UInt64 = 0
    private var dropped: UInt64 = 0
    private var lastStats = pcap_stat()
    private var interruptions: UInt64 = 0
    private var carrierLosses: UInt64?
    private var reopenAt: UInt64 = 0
    private var files: InterfaceFiles
    /// The time of the last answered tick.
    private var answeredTime: UInt64 = 0
    private var late: UInt64 = 0

    /// Opens the interface, to be counted on `cpus`; `confine` drops the capture thread's other
    /// privileges, or returns the errno. Throws `collectorUnavailable` or `configuration`.
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
      // May throw, so before the snapshot, which no deinitialiser would free.
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

    /// Starts counting on a thread without privileges. Throws `collectorUnavailable`.
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
          + "\(SystemError.words(refusal))), and does not decode packets with them",
        context: ErrorContext(collector: "packets", errno: refusal))
    }

    /// Requests a snapshot at `time` (Unix time in nanoseconds): at the beginning of a bracket, at
    /// a tick or at its end.
    package func ask(at time: UInt64, opensBracket: Bool) {
      asked &+= 1
      questionTime.store(time, ordering: .relaxed)
      // Release: pairs with the capture thread's acquire, which then sees the time.
      question.store(
        CaptureQuestion(number: asked, kind: opensBracket ? .open : .tick), ordering: .releasing)
      wake.signal()
    }

    /// Waits for the requested snapshot; false if it does not arrive by `deadline`
    /// (CLOCK_MONOTONIC).
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

    /// Writes the last answer's flows and ports from row `first` on; returns their number.
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

    /// The most nanoseconds between a packet's time stamp and its delivery.
    private var maximumDelay: UInt64 { options.longestWait }

    private func main() {
      do throws(SystemError) {
        // Not on the workload's CPUs: on those of the sampling threads.
        if !cpus.isEmpty { try cpus.applyToThisThread() }
      } catch {
        // Counting works on any CPU.
      }
      // A thread that decodes untrusted packets keeps only the capabilities to reopen its interface
      // with the requested time stamps.
      let errno = confine(options.timestampType == nil ? [.netRaw] : [.netRaw, .netAdmin])
      refusal.store(errno, ordering: .releasing)
      isConfined.announce(1)
      guard errno == 0 else { return }
      while !ending.load(ordering: .acquiring) {
        let asked = question.load(ordering: .acquiring)
        if asked.kind == .open { open(asked) }
        takeOut()
        var deadline: UInt64 = .max
        // A later packet may have answered it already.
        let open = question.load(ordering: .acquiring)
        if open.kind == .tick {
          let time = questionTime.load(ordering: .relaxed)
          let now = Clock.realtime()
          // Do not wait out a backward clock step.
          if now >= time &+ maximumDelay || now &+ maximumDelay < time {
            answer(open)
          } else {
            deadline = Clock.monotonic() &+ (time &+ maximumDelay &- now)
          }
        }
        // Reading notices a removed interface: at least once a second.
        deadline = min(deadline, Clock.monotonic() &+ 1_000_000_000)
        if unsafe handle == nil { deadline = min(deadline, max(reopenAt, Clock.monotonic())) }
        let descriptor = unsafe handle.map { unsafe functions.descriptor($0) } ?? -1
        wake.wait(beside: descriptor, until: deadline)
      }
    }

    /// Begins a bracket before more packets are read: those stamped earlier are counted as early,
    /// the others within it.
    private func open(_ asked: CaptureQuestion) {
      aggregator.open(at: questionTime.load(ordering: .relaxed))
      answer(asked)
      // Packets stamped before a bracket are counted before it, however late they arrive.
      answeredTime = 0
    }

    /// Counts the delivered packets.
    private func takeOut() {
      guard let handle = unsafe handle else {
        if Clock.monotonic() >= reopenAt { reopen() }
        return
      }
      let own = unsafe Unmanaged.passUnretained(self).toOpaque()
      while true {
        if ending.load(ordering: .relaxed) { return }
        // In batches: the thread must be stoppable during a flood.
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
      // Acquire: pairs with `ask`, whose time belongs to the question. A plain load on x86.
      let asked = question.load(ordering: .acquiring)
      if time <= answeredTime { late &+= 1 }
      if asked.kind != .none, time > questionTime.load(ordering: .relaxed) {
        if asked.kind == .open { open(asked) } else { answer(asked) }
      }
      unsafe aggregator.add(
        UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(header.caplen)),
        wireLength: Int(header.len), time: time)
    }

    /// Copies the present numbers, and acknowledges.
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
      // A newer question is kept, and answered next.
      _ = question.compareExchange(
        expected: asked, desired: .none, ordering: .acquiringAndReleasing)
      answered.announce(asked.number)
    }

    /// The socket's own counts, 32 bits wide: received includes dropped ones.
    private func readStats() {
      guard let handle = unsafe handle else { return }
      var now = pcap_stat()
      guard unsafe functions.stats(handle, &now) == 0 else { return }
      received &+= UInt64(now.ps_recv &- lastStats.ps_recv)
      dropped &+= UInt64(now.ps_drop &- lastStats.ps_drop)
      lastStats = now
    }

    /// While an interface is down the capture continues without notice, so the kernel's count of
    /// carrier losses is read (sysfs-class-net, carrier_down_count, Linux 4.16).
    private func countInterruptions() {
      guard interface != "any" else { return }
      let now = files.carrierLosses.read() ?? 0
      // A new interface of the same name counts from zero.
      if let carrierLosses { interruptions &+= now >= carrierLosses ? now &- carrierLosses : now }
      carrierLosses = now
    }

    /// Whether the interface exists and is up (IFF_UP).
    private var isInterfaceUp: Bool {
      guard interface != "any" else { return true }
      return (files.flags.read() ?? 0) & 1 == 1
    }

    private static let reopenPause: UInt64 = 200_000_000

    /// Handles an interface that was removed or taken down: waits for it.
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
