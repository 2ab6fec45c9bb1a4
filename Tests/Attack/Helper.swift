import Foundation
import Glibc
import LinuxSystem

/// What a shell cannot: `attack helper WORD…`, for as long as it is not ended.
enum Helper {
  /// Does what the words say and ends the process.
  static func run(_ words: [String]) throws -> Never {
    switch (words.first, words.count) {
    case ("listen", 2): try listen(words[1])
    case ("send", 3): try send(words[1], seconds: Double(words[2]) ?? 0)
    case ("terminal", 1): try terminal()
    default: exit(2)
    }
    exit(0)
  }

  /// Listens at a socket, accepts nobody, and fills the queue itself.
  private static func listen(_ path: String) throws {
    let socket = try ControlSocket(path: path)
    // The fifth waits for ever: the queue takes four and one.
    for _ in 0..<8 { Thread.detachNewThread { Self.occupy(path) } }
    wait(seconds: 60)
    withExtendedLifetime(socket) {}
  }

  private static func occupy(_ path: String) {
    guard let connection = try? ControlConnection(to: path) else { return }
    wait(seconds: 60)
    withExtendedLifetime(connection) {}
  }

  /// Sends standard input to a socket and prints what is answered.
  private static func send(_ path: String, seconds: Double) throws {
    let connection = try ControlConnection(to: path)
    let bytes = FileHandle.standardInput.readDataToEndOfFile()
    // A part that is not taken is no fault: the other end may have closed.
    _ = connection.send([UInt8](bytes))
    let limit = Clock.monotonic() + UInt64(seconds * 1e9)
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while !Poll.wait(readable: [connection.pollDescriptor], until: limit).isEmpty {
      // Safe: the chunk's own count bounds the call.
      let count = unsafe Glibc.read(connection.pollDescriptor, &chunk, chunk.count)
      guard count > 0 else { return }
      let answer = Array(chunk[..<count])
      try writeAll(answer.span, to: 1)
    }
  }

  /// Prints the name of a terminal that nobody reads.
  private static func terminal() throws {
    let master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    // TIOCSPTLCK and TIOCGPTN of asm-generic/ioctls.h.
    var isLocked: Int32 = 0
    var number: UInt32 = 0
    guard master >= 0, unsafe ioctl(master, 0x4004_5431, &isLocked) == 0,
      unsafe ioctl(master, 0x8004_5430, &number) == 0
    else { exit(1) }
    let name = Array("/dev/pts/\(number)\n".utf8)
    try writeAll(name.span, to: 1)
    wait(seconds: 60)
  }

  private static func wait(seconds: UInt64) {
    _ = Poll.wait(readable: [], until: Clock.monotonic() + seconds * 1_000_000_000)
  }
}
