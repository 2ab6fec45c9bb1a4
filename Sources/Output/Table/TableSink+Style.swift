extension TableSink {
  /// What the terminal offers.
  package struct Style: Sendable {
    package var width: Int
    /// Lines between two headings.
    package var pageRows: Int
    /// The same two as the window has them now, nil where that is not known; asked for each row.
    package var window: (@Sendable () -> (width: Int, pageRows: Int)?)?
    /// What stands for the missing part of a name that was cut.
    package var ellipsis: Character = "…"
    package var colour: Bool
    /// Whether each CPU has columns of its own.
    package var perCPU: Bool
    /// Online CPUs, by which the time of all of them is a share of what they have together; nil:
    /// as many as the layout of `cpu` lists. To be stated where it does not list all.
    package var cpuCount: Int?
    /// Collectors that were asked for by name: what has no columns of its own here gets some.
    package var named: Set<String> = []
    /// The columns themselves were chosen: all that are left are shown.
    package var showsAll = false

    /// A style; a pipe has plenty of width, no colour and one heading.
    package init(
      width: Int = .max, pageRows: Int = .max, colour: Bool = false, perCPU: Bool = false,
      cpuCount: Int? = nil
    ) {
      self.perCPU = perCPU
      self.cpuCount = cpuCount
      self.width = width
      self.pageRows = pageRows
      self.colour = colour
    }
  }
}
