import RunStore
import SampleModel

/// The columns of values of one collector over all its layouts, and how raw values become theirs.
struct ValueColumns {
  /// A column of the table.
  struct Shown {
    let column: Column
    /// A whole number, or a real.
    var kind: ParquetColumn.Kind
  }

  /// The values of one column in a piece.
  struct Values {
    /// Numbers, or the bits of reals, of the rows that have one.
    var words: [UInt64]
    var presences: [ColumnPiece.Presence]
  }

  private struct Origin {
    let layout: Layout
    /// The indices of the kept columns in the stored layout.
    let kept: [Int]
    /// For each of the layout's shown columns its index in the table.
    let indices: [Int]
    let rules: [ValueRule]
    /// Whether a value depends on several columns.
    let isCombined: Bool
  }

  private(set) var shown: [Shown] = []
  private var origins: [UInt64: Origin] = [:]
  /// For each column of the table its index in the shown columns of the last piece's layout: of one
  /// layout only, as there may be thousands of layouts with columns of their own.
  private var positions: [Int?] = []
  private var positionedLayout: UInt64?
  private var derivation = Derivation(raw: true)
  private var derivedLayout: UInt64?
  /// Columns with a value that their kind does not hold, and the kind that does.
  private(set) var misfits: [Int: ParquetColumn.Kind] = [:]

  /// The columns that are selected of these layouts; those of `wider` kinds have
  /// them.
  init(
    _ layouts: [Layout], passes: @escaping (String) -> Bool,
    wider: [Int: ParquetColumn.Kind] = [:]
  ) {
    var indices: [ExactText: Int] = [:]
    for layout in layouts {
      let part = layout.choosing(passes)
      let found = part.shown.enumerated().map { position, column -> Int in
        let isWhole =
          position < part.columns.count && column.times == nil && ValueRule(column).isWhole
        let key = ExactText(column.name)
        if let known = indices[key] {
          if !isWhole { shown[known].kind = .real }
          return known
        }
        indices[key] = shown.count
        shown.append(Shown(column: column, kind: isWhole ? .integer : .real))
        return shown.count - 1
      }
      let kept = layout.kept(passes).enumerated().filter(\.element).map(\.offset)
      origins[Self.key(part)] = Origin(
        layout: part, kept: kept, indices: found, rules: part.columns.map { ValueRule($0) },
        isCombined: !part.formulas.isEmpty || part.columns.contains { $0.times != nil })
    }
    for (index, kind) in wider { shown[index].kind = kind }
  }

  /// The values of each column of the table in a piece, one after another.
  mutating func forEach(
    in piece: ColumnPiece, _ body: (Int, Values?) throws(LBError) -> Void
  ) throws(LBError) {
    guard let origin = origins[Self.key(piece.layout)] else { return }
    if positionedLayout != Self.key(piece.layout) {
      positionedLayout = Self.key(piece.layout)
      positions = Array(repeating: nil, count: shown.count)
      for (position, index) in origin.indices.enumerated() { positions[index] = position }
    }
    let positions = positions
    let derived = origin.isCombined ? derive(piece, origin) : nil
    for index in shown.indices {
      guard let position = positions[index] else {
        try body(index, nil)
        continue
      }
      if let derived {
        try body(index, values(derived[position], index))
        continue
      }
      // A stream whose every row is a gap has no columns of values.
      let stored = piece.columns.isEmpty ? [] : piece.columns[origin.kept[position]]
      let words = convert(stored, origin.rules[position], index)
      try body(index, Values(words: words, presences: piece.presences))
    }
  }

  private mutating func convert(_ raw: [UInt64], _ rule: ValueRule, _ index: Int) -> [UInt64] {
    let kind = shown[index].kind
    if kind == .real { return raw.map { Self.real(Derivation.scaled($0, by: rule)) } }
    let factor = rule.scale.numerator / rule.scale.denominator
    var union: UInt64 = 0
    var overflows = false
    var words = raw
    if factor != 1 {
      var out = words.mutableSpan
      for position in out.indices {
        let (product, isOver) = rule.multiply(out[position], by: factor)
        out[position] = product
        overflows = overflows || isOver
      }
    }
    if kind == .integer, !rule.isSigned { for word in words { union |= word } }
    if overflows { widen(index, to: .real) }
    if union >> 63 == 1 { widen(index, to: .unsigned) }
    return words
  }

  private mutating func widen(_ index: Int, to kind: ParquetColumn.Kind) {
    if misfits[index] != .real { misfits[index] = kind }
  }

  /// The values of each shown column of a layout with formulas, or with counts that are scaled up.
  private mutating func derive(
    _ piece: ColumnPiece, _ origin: Origin
  ) -> [[DerivedValue]] {
    if derivedLayout != Self.key(origin.layout) {
      derivedLayout = Self.key(origin.layout)
      derivation.layout(origin.layout)
    }
    var derived = [[DerivedValue]](repeating: [], count: origin.layout.shown.count)
    var row = 0
    var position = 0
    for presence in piece.presences {
      for _ in 0..<presence.count {
        defer { row += 1 }
        guard presence.isPresent else {
          for index in derived.indices { derived[index].append(.absent) }
          continue
        }
        let words = origin.kept.map { piece.columns[$0][position] }
        position += 1
        let header = FrameHeader(
          stream: piece.layout.stream, epoch: piece.layout.epoch, bracket: piece.bracket,
          start: piece.starts[row], end: piece.ends[row])
        let values = derivation.derive(header, words.span).values
        for index in derived.indices {
          derived[index].append(index < values.count ? values[index] : .absent)
        }
      }
    }
    return derived
  }

  private mutating func values(_ derived: [DerivedValue], _ index: Int) -> Values {
    var values = Values(words: [], presences: [])
    for value in derived {
      var isPresent = true
      switch (value, shown[index].kind) {
      case (.absent, _): isPresent = false
      case (_, .real): values.words.append(Self.real(value))
      case (.integer(let number), let kind):
        if number >> 63 == 1, kind == .integer { widen(index, to: .unsigned) }
        values.words.append(number)
      case (.real(let number), let kind):
        // Negative numbers of a gauge are reals of a derivation.
        let whole = kind == .integer ? Int64(exactly: number) : nil
        if whole == nil { widen(index, to: .real) }
        values.words.append(UInt64(bitPattern: whole ?? 0))
      }
      values.presences.add(isPresent)
    }
    return values
  }

  private static func key(_ layout: Layout) -> UInt64 {
    UInt64(layout.stream) << 32 | UInt64(layout.epoch)
  }

  private static func real(_ value: DerivedValue) -> UInt64 { (value.number ?? 0).bitPattern }
}

extension ValueRule {
  /// Whether values in base units are whole numbers.
  fileprivate var isWhole: Bool { scale.numerator % scale.denominator == 0 }

  /// A raw value times a whole factor, and whether that needs more than 64 bits.
  fileprivate func multiply(_ raw: UInt64, by factor: UInt64) -> (UInt64, Bool) {
    guard isSigned else {
      let (product, isOver) = raw.multipliedReportingOverflow(by: factor)
      return (product, isOver)
    }
    let (product, isOver) = Int64(bitPattern: raw).multipliedReportingOverflow(
      by: Int64(clamping: factor))
    return (UInt64(bitPattern: product), isOver)
  }
}
