import Glibc
import LinuxSystem
import Synchronization
import TestSupport
import Testing

/// Nobody waits long for who does not answer, read or let in.
@Suite struct TimedTerminalTests {
  private static let second: UInt64 = 1_000_000_000

  /// A terminal that nobody reads takes what it has room for.
  @Test func aTerminalThatIsNotReadIsNotWaitedFor() throws {
    let master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    defer { close(master) }
    // TIOCSPTLCK and TIOCGPTPEER of asm-generic/ioctls.h.
    var isLocked: Int32 = 0
    guard master >= 0, unsafe ioctl(master, 0x4004_5431, &isLocked) == 0 else {
      throw SystemError("/dev/ptmx", errno: errno)
    }
    let end = ioctl(master, 0x5441, O_RDWR | O_NOCTTY | O_CLOEXEC)
    defer { close(end) }
    let terminal = try #require(TimedTerminal(end))
    #expect(terminal.write(Array("a line\n".utf8), within: 0))
    let began = Clock.monotonic()
    #expect(!terminal.write([UInt8](repeating: 120, count: 1 << 20), within: 0))
    #expect(!terminal.write([UInt8](repeating: 120, count: 1 << 20), within: 50))
    #expect(Clock.monotonic() - began < Self.second)
    #expect(fcntl(end, F_GETFL) & O_NONBLOCK == 0, "that of others is as it was")
    let file = try OwnedDescriptor(open: "/dev/null", O_WRONLY)
    #expect(TimedTerminal(file.number) == nil)
  }

  /// However little is read at a time: all of it is to be read within a second.
  @Test func whoReadsLittleIsGivenUpToo() throws {
    let folder = try TemporaryFolder()
    let socket = try ControlSocket(path: folder.file("control"))
    let client = try ControlConnection(to: folder.file("control"))
    let connection = try #require(socket.accept())
    let number = client.pollDescriptor
    let isOver = try StopFlag()
    let reader = try SystemThread(name: "reader") {
      var part = [UInt8](repeating: 0, count: 4096)
      while Poll.wait(
        readable: [isOver.pollDescriptor], until: Clock.monotonic() + 100_000_000
      ).isEmpty {
        _ = unsafe read(number, &part, part.count)
      }
    }
    let began = Clock.monotonic()
    #expect(!connection.send([UInt8](repeating: 120, count: 1 << 23)))
    #expect((Self.second / 2...3 * Self.second).contains(Clock.monotonic() - began))
    isOver.raise()
    reader.join()
    withExtendedLifetime(client) {}
  }

  /// Somebody listens where nobody is let in any more.
  @Test func aFullQueueIsSomebodys() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("control")
    let socket = try ControlSocket(path: path)
    var waiting: [ControlConnection] = []
    let began = Clock.monotonic()
    let full = #expect(throws: SystemError.self) {
      for _ in 0..<100 { waiting.append(try ControlConnection(to: path)) }
    }
    #expect(full?.errno == EAGAIN && !waiting.isEmpty)
    let taken = #expect(throws: SystemError.self) { _ = try ControlSocket(path: path) }
    #expect(taken?.errno == EADDRINUSE)
    #expect(Clock.monotonic() - began < 3 * Self.second)
    withExtendedLifetime(socket) {}
  }

  /// Of those who find a socket stale at once, one takes its place.
  @Test func aStaleSocketIsTakenOverByOne() throws {
    let folder = try TemporaryFolder()
    for round in 0..<20 {
      let (first, stale) = (folder.file("first-\(round)"), folder.file("stale-\(round)"))
      do {
        let gone = try ControlSocket(path: first)
        #expect(unsafe rename(first, stale) == 0)
        withExtendedLifetime(gone) {}
      }
      let taken = Mutex<[ControlSocket]>([])
      let threads = try (0..<4).map { number in
        try SystemThread(name: "taker-\(number)") {
          do throws(SystemError) {
            let socket = try ControlSocket(path: stale)
            taken.withLock { $0.append(socket) }
          } catch {
            // Another one was there before.
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(taken.withLock { $0.count } == 1, "round \(round)")
      #expect(throws: Never.self) { _ = try ControlConnection(to: stale) }
    }
  }
}
