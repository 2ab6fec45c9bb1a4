extension TableSink {
  /// What the terminal offers.
  package struct Style: Sendable {
    package var width: Int
    /// Lines between two headings.
    package var pageRows: Int
    /// The current width and height of the window, nil where they are unknown; called for each row.
    package var window: (@Sendable () -> (width: Int, pageRows: Int)?)?
    /// The text in place of the missing part of a shortened name.
    package var ellipsis: Character = "…"
    package var colour: Bool
    /// Whether each CPU has columns.
    package var perCPU: Bool
    /// The number of online CPUs, by which the time of all CPUs is divided; nil: the number in the
    /// layout of `cpu`. To be set where that does not list all CPUs.
    package var cpuCount: Int?
    /// Collectors that the user has named: they get columns even without a fixed layout in the
    /// table.
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
