import Synchronization

extension SamplingThread {
  /// What the controller wants next.
  enum Operation: UInt8, AtomicRepresentable {
    /// Takes the opening samples and goes on sampling.
    case open
    /// Takes the edge's failed collectors again, after they were armed anew.
    case retryEdge
    case close
    case park
    case exit
  }

  /// The parameters of a bracket.
  struct Bracket {
    var number: UInt32 = 0
    var base: UInt64 = 0
    var interval: UInt64 = 1
    /// Deadlines to take, UInt64.max for no end.
    var limit: UInt64 = .max
  }
}
