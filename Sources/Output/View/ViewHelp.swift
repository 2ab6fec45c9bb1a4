/// The keys of the view, as its help has them.
enum ViewHelp {
  static let lines = """
    MOVING
      j  ↓  Enter      next row            k  ↑           previous row
      Space  f  PgDn   next screen         b  PgUp        previous screen
      d                half a screen on    u              half a screen back
      g  <  Home       first row           G  >  F  End   last row; follows a live view
      N%               N percent of the time; a number before j, k, Space, b repeats them

    TIME
      t TIME           goes to 90s or 1.5m since the start, +10s or -10s from here,
                       50%, or 12:30:05
      e  E             next and previous event
      r  R             next and previous repetition
      (  )             shows from here on, up to here
      x                shows the whole run again

    COLUMNS
      →  l   ←         next and previous page of columns
      & TEXT           only columns whose names match, as in &net.*[eth0]; & alone: all
      =                full names of the columns

    SEARCHING
      / TEXT  ? TEXT   searches on and back for what stands in a line
      n  N             the next one, the previous one

    q                  quits; h shows this

    The line above the rows is the history of each column up to the cursor, four rows a
    mark, the greatest of them: percent from 0 to 100, rates from 0, levels from their least.
    """.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
}
