import CLinux
import SampleModel

/// The program's arguments, as passed to main(3): the Swift runtime reads them from /proc, which
/// may be missing.
package enum ProgramArguments {
  /// The arguments after the program's name, also those that are not UTF-8.
  package static var all: [String] {
    (1..<max(1, Int(lb_argument_count()))).map { index in
      // Safe: the index is below the count, and the list lives as long as the process.
      unsafe lb_argument(Int32(index)).map { unsafe OSText.string(cString: $0) } ?? ""
    }
  }
}

/// The program's environment, also entries that are not UTF-8.
package enum ProgramEnvironment {
  /// Its `NAME=value` entries, in order.
  package static var entries: [String] {
    var entries: [String] = []
    // Safe: nothing changes the list, which ends with NULL.
    while let entry = unsafe lb_environment(Int32(entries.count)) {
      unsafe entries.append(OSText.string(cString: entry))
    }
    return entries
  }

  /// The values by name; the first of duplicates, as in getenv(3).
  package static var variables: [String: String] {
    var variables: [String: String] = [:]
    for entry in entries {
      guard let (name, value) = entry.halves("="), variables[name] == nil else { continue }
      variables[name] = value
    }
    return variables
  }

  /// The entries with these variables in place of those of the same names.
  package static func entries(with variables: [(name: String, value: String)]) -> [String] {
    var all = entries
    for (name, value) in variables {
      all.removeAll { $0.begins("\(name)=") }
      all.append("\(name)=\(value)")
    }
    return all
  }
}
