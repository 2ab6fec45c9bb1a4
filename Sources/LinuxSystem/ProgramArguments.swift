import CLinux

/// What the program was called with, as main(3) has it: without /proc too, which the Swift runtime
/// reads them from.
package enum ProgramArguments {
  /// The arguments behind the program's name; what of them is not UTF-8 is replaced.
  package static var all: [String] {
    (1..<max(1, Int(lb_argument_count()))).map { index in
      // Safe: the index is below the count, and the list lives as long as the process.
      unsafe lb_argument(Int32(index)).map { unsafe String(cString: $0) } ?? ""
    }
  }
}
