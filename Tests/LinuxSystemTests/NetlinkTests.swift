import Glibc
import TestSupport
import Testing

@testable import LinuxSystem

/// Dumps of link statistics, from a kernel that says what the test wants: a datagram socket beside.
@Suite struct NetlinkTests {
  /// The kernel's side.
  private struct Kernel: ~Copyable {
    let links: LinkStatistics
    private let end: OwnedDescriptor
    private let events: OwnedDescriptor

    init() throws {
      func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        #expect(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
        return (ends[0], ends[1])
      }
      let (ours, theirs) = try pair()
      let (heard, said) = try pair()
      links = LinkStatistics(
        NetlinkSocket(OwnedDescriptor(owning: ours), message: 1 << 15),
        events: NetlinkSocket(OwnedDescriptor(owning: heard)))
      end = OwnedDescriptor(owning: theirs)
      events = OwnedDescriptor(owning: said)
    }

    /// Sends a datagram of these messages.
    func say(_ messages: [UInt8]...) {
      let all = messages.flatMap(\.self)
      #expect(unsafe send(end.number, all, all.count, 0) == all.count)
    }
  }

  private func message(
    _ type: UInt16, number: UInt32, flags: UInt16 = 0, _ payload: [UInt8] = []
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    NetlinkSocket.append(UInt32(16 + payload.count), to: &bytes)
    NetlinkSocket.append(type, to: &bytes)
    NetlinkSocket.append(flags, to: &bytes)
    NetlinkSocket.append(number, to: &bytes)
    NetlinkSocket.append(UInt32(0), to: &bytes)
    return bytes + payload
  }

  /// RTM_NEWSTATS of interface `index`, each of whose counters is `value`.
  private func statistics(
    _ index: Int32, _ value: UInt64, number: UInt32, flags: UInt16 = 0
  ) -> [UInt8] {
    var payload: [UInt8] = [0, 0, 0, 0]
    NetlinkSocket.append(index, to: &payload)
    NetlinkSocket.append(UInt32(1), to: &payload)
    var counters: [UInt8] = []
    for _ in 0..<LinkStatistics.counters { NetlinkSocket.append(value, to: &counters) }
    NetlinkSocket.appendAttribute(1, counters, to: &payload)
    return message(92, number: number, flags: flags, payload)
  }

  private func done(_ number: UInt32, flags: UInt16 = 0) -> [UInt8] {
    message(3, number: number, flags: flags, [0, 0, 0, 0])
  }

  /// What a reading gives: interface and first counter.
  private func read(_ links: LinkStatistics) -> (LinkStatistics.Outcome, [[UInt64]]) {
    var found: [[UInt64]] = []
    let outcome = links.read(begin: { found = [] }) { index, counter in
      found.append([UInt64(index), counter(0)])
    }
    return (outcome, found)
  }

  @Test func aDumpIsReadToItsEndAndCounted() throws {
    let kernel = try Kernel()
    kernel.say(statistics(1, 7, number: 1), statistics(2, 8, number: 1))
    kernel.say(statistics(3, 9, number: 1))
    kernel.say(done(1))
    let (outcome, found) = read(kernel.links)
    #expect(outcome == .complete && found == [[1, 7], [2, 8], [3, 9]])
    #expect(kernel.links.calls == 4, "one request, three datagrams")
  }

  /// What is left of a dump that failed is not taken for the next one's.
  @Test func theRestOfAnAbandonedDumpIsPassedOver() throws {
    let kernel = try Kernel()
    kernel.say(statistics(1, 7, number: 1), message(92, number: 1))
    kernel.say(statistics(2, 8, number: 1), done(1))
    #expect(read(kernel.links).0 == .failed)
    // The kernel's answer to the next request is there when that is made.
    let (late, stale) = read(kernel.links)
    #expect(late == .failed && stale.isEmpty, "there is no answer to the second request")
    kernel.say(statistics(1, 70, number: 2), done(2))
    #expect(read(kernel.links).0 == .failed, "the answer to the second comes too late")
    // Number 3 was the last one that was asked: its parts are told from those of 4.
    #expect(read(kernel.links).1.isEmpty)
  }

  @Test func numbersOfAnotherRequestAreNotTaken() throws {
    let kernel = try Kernel()
    kernel.say(statistics(1, 666, number: 77), statistics(1, 7, number: 1), done(77))
    kernel.say(done(1))
    let (outcome, found) = read(kernel.links)
    #expect(outcome == .complete && found == [[1, 7]])
  }

  /// NLM_F_DUMP_INTR on any part: what was taken is void, and it is asked for again.
  @Test func aTornDumpIsAskedForAgain() throws {
    let kernel = try Kernel()
    kernel.say(statistics(1, 1, number: 1), statistics(2, 1, number: 1, flags: 0x10))
    kernel.say(done(1))
    kernel.say(statistics(1, 2, number: 2), statistics(3, 2, number: 2), done(2))
    let (outcome, found) = read(kernel.links)
    #expect(outcome == .complete && found == [[1, 2], [3, 2]])
    #expect(kernel.links.calls == 5)
  }

  @Test func askingAgainHasABound() throws {
    let kernel = try Kernel()
    for number in 1...9 as ClosedRange<UInt32> { kernel.say(done(number, flags: 0x10)) }
    #expect(read(kernel.links).0 == .failed)
    #expect(kernel.links.calls == 6, "three requests and their answers")
  }

  /// NLMSG_OVERRUN as ENOBUFS: messages are gone.
  @Test func whatWasLostIsAskedForAgain() throws {
    let kernel = try Kernel()
    kernel.say(statistics(1, 1, number: 1), message(4, number: 1))
    let (outcome, _) = read(kernel.links)
    #expect(outcome == .failed, "nothing answers the second request here")
  }

  @Test(arguments: [0, 1, 15, 17, 60]) func aMessageThatIsCutFailsTheReading(_ length: Int) throws {
    let kernel = try Kernel()
    let whole = statistics(1, 1, number: 1)
    if length > 0 { kernel.say(Array(whole.prefix(length))) }
    #expect(read(kernel.links).0 == .failed)
  }

  @Test func aSizeOfNothingEndsTheReading() throws {
    let kernel = try Kernel()
    kernel.say([UInt8](repeating: 0, count: 64))
    #expect(read(kernel.links).0 == .failed)
  }

  /// The kernel's own answer: as many interfaces as /sys has, and the loopback's counters.
  @Test func theLiveKernelAnswersInOneDump() throws {
    let links = try LinkStatistics()
    let before = links.calls
    let (outcome, found) = read(links)
    #expect(outcome == .complete && !found.isEmpty)
    #expect(links.calls - before >= 2)
  }
}
