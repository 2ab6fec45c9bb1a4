/// Decides whether to look for a program's next request without sleeping: pure.
///
/// Where it asks again within microseconds from another CPU, sleeping in between has that CPU halt
/// and be woken for every request, which a virtual machine pays for dearly. Where it shares our CPU
/// looking keeps it from asking: then, and where its brackets are long, it soon is given up.
package struct Eagerness: Sendable {
  /// Nanoseconds that are looked for at most: several times what an interpreted program takes from
  /// a reply to its next request.
  package static let longest: UInt64 = 500_000
  /// Requests that are at most slept through until looking is tried again.
  private static let rarest = 1024

  private var misses = 0
  private var slept = 0

  /// Nothing known: it is tried.
  package init() {}

  /// Nanoseconds to look for the next request before sleeping; each miss in a row doubles how many
  /// requests are slept through.
  package mutating func patience() -> UInt64 {
    let pause = misses == 0 ? 0 : min(Self.rarest, 1 << min(misses, 20))
    guard slept >= pause else {
      slept += 1
      return 0
    }
    slept = 0
    return Self.longest
  }

  /// Whether it came while it was looked for.
  package mutating func note(_ came: Bool) { misses = came ? 0 : misses + 1 }
}
