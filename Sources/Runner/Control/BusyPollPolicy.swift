/// Decides whether the server polls for a program's next request before it sleeps: pure.
///
/// Where a program on another CPU asks again within microseconds, sleeping lets the CPU halt and be
/// woken for each request, which is slow in a virtual machine. Where the program shares the CPU,
/// polling delays its request: there, and where brackets are long, polling stops soon.
package struct BusyPollPolicy: Sendable {
  /// Nanoseconds of one poll: several times the time that an interpreted program takes from a reply
  /// to its next request.
  package static let longest: UInt64 = 500_000
  /// Most requests that are waited for without polling before it is tried again.
  private static let maximumPause = 1024

  private var misses = 0
  private var unpolled = 0

  /// Polls for the first request.
  package init() {}

  /// Nanoseconds to poll for the next request, 0 to sleep at once. Each consecutive poll without a
  /// request doubles the number of requests that are not polled for.
  package mutating func pollTime() -> UInt64 {
    let pause = misses == 0 ? 0 : min(Self.maximumPause, 1 << min(misses, 20))
    guard unpolled >= pause else {
      unpolled += 1
      return 0
    }
    unpolled = 0
    return Self.longest
  }

  /// Records whether a request came during the poll.
  package mutating func record(requestCame: Bool) { misses = requestCame ? 0 : misses + 1 }
}
