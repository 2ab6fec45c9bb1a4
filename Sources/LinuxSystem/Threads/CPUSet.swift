import CLinux

/// A set of CPU numbers, in the kernel's formats.
package struct CPUSet: Sendable, Hashable, CustomStringConvertible {
  /// CPU numbers are below this: CONFIG_NR_CPUS of the largest kernels.
  package static let limit = 8192
  private var words: [UInt64]

  /// The set of `cpus`.
  package init(_ cpus: some Sequence<Int> = []) {
    words = []
    for cpu in cpus { insert(cpu) }
  }

  /// Parses the kernel's list form, `0-3,8`; nil if invalid, or for a CPU number above the limit.
  /// Kernels before 3.x print a zero byte after the newline of the list of nodes.
  package init?(list: some StringProtocol) {
    self.init()
    let whole = String(list.prefix { $0 != "\0" }).trimmed
    for part in whole.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map(Self.number)
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
        first <= last
      else { return nil }
      for cpu in first...last { insert(cpu) }
    }
  }

  /// A CPU's number in digits, below the limit; nil for anything else.
  private static func number(_ text: some StringProtocol) -> Int? {
    guard text.utf8.allSatisfy({ $0 &- 48 < 10 }), let number = Int(text), number < limit else {
      return nil
    }
    return number
  }

  /// CPUs that the calling thread may run on.
  package static func allowed() -> CPUSet {
    var words = [UInt64](repeating: 0, count: limit / 64)
    // Safe: the array's own size bounds the call.
    let bytes = unsafe lb_get_affinity(&words, words.count * 8)
    guard bytes > 0 else { return CPUSet() }
    var set = CPUSet()
    set.words = Array(words.prefix(Int(bytes) / 8))
    return set
  }

  /// Restricts the calling thread to this set.
  package func applyToThisThread() throws(SystemError) {
    // Safe: the array's own size bounds the call.
    let result = unsafe words.withUnsafeBufferPointer {
      unsafe lb_set_affinity($0.baseAddress, $0.count * 8)
    }
    guard result == 0 else {
      throw SystemError("sched_setaffinity \(self)", errno: -result)
    }
  }

  /// Adds `cpu`.
  package mutating func insert(_ cpu: Int) {
    precondition(cpu >= 0 && cpu < Self.limit, "a CPU number is below \(Self.limit)")
    while words.count <= cpu / 64 { words.append(0) }
    words[cpu / 64] |= 1 << UInt64(cpu % 64)
  }

  /// Whether `cpu` is in the set.
  package func contains(_ cpu: Int) -> Bool {
    cpu >= 0 && cpu / 64 < words.count && words[cpu / 64] & (1 << UInt64(cpu % 64)) != 0
  }

  /// The members that are not in `other`.
  package func subtracting(_ other: CPUSet) -> CPUSet {
    CPUSet(members.filter { !other.contains($0) })
  }

  /// The members that are in `other` too.
  package func intersection(_ other: CPUSet) -> CPUSet {
    CPUSet(members.filter { other.contains($0) })
  }

  /// In ascending order.
  package var members: [Int] {
    (0..<words.count * 64).filter { words[$0 / 64] & (1 << UInt64($0 % 64)) != 0 }
  }

  package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// The mask's words, for calls that take a whole mask.
  package var maskWords: [UInt64] { words }

  /// The kernel's list form.
  package var description: String {
    var parts: [String] = []
    var run: ClosedRange<Int>?
    for cpu in members {
      if let open = run, open.upperBound + 1 == cpu {
        run = open.lowerBound...cpu
      } else {
        if let open = run { parts.append(Self.text(open)) }
        run = cpu...cpu
      }
    }
    if let open = run { parts.append(Self.text(open)) }
    return parts.joined(separator: ",")
  }

  private static func text(_ run: ClosedRange<Int>) -> String {
    run.count == 1 ? "\(run.lowerBound)" : "\(run.lowerBound)-\(run.upperBound)"
  }
}
