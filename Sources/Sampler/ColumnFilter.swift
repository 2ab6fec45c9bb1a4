import SampleModel

/// Which columns are wanted: `--only`, `--except` and the CPUs of `--cpus`, as globs.
package struct ColumnFilter: Sendable, Hashable {
  package let only: [String]
  package let except: [String]

  /// A filter; with nothing in `only`, everything passes that `except` does not name.
  package init(only: [String] = [], except: [String] = []) {
    self.only = only
    self.except = except
  }

  /// Whether a column of this full name is wanted.
  package func passes(_ name: String) -> Bool {
    (only.isEmpty || only.contains { Glob.matches($0, name) })
      && !except.contains { Glob.matches($0, name) }
  }
}
