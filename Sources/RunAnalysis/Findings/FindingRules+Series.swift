/// Rules about how repetitions differ from one another.
extension FindingRules {
  static let bimodal = FindingRule(
    "bimodal", .warning, fewest: Dip.fewest,
    cases: [
      .init(
        [
          .init("excess", "1", "dip_statistic - dip_limit"),
          .init("dip", "1", "dip_statistic"), .init("limit", "1", "dip_limit"),
          .init("repetitions", "count", "repetitions"),
          .init("lower_count", "count", "lower_count"),
          .init("lower", "ns", "lower_median"),
          .init("upper_count", "count", "upper_count"),
          .init("upper", "ns", "upper_median"),
          .init("apart", "share", "upper / lower - 1"),
        ],
        [.init("excess", .above, 0), .init("apart", .atLeast, 0.02)],
        "the wall times of {repetitions} repetitions fall into two groups: {lower_count} around "
          + "{lower} and {upper_count} around {upper}, {apart} more (dip {dip}, by chance above "
          + "{limit} in at most 1 % of runs)")
    ],
    next: [
      "lbsample runs show RUN --format json: all metrics of each repetition",
      "lbsample run --workload-cpus LIST -- COMMAND: does it depend on the CPU?",
    ],
    about: """
      Fires where the wall times of ten repetitions or more have two or more groups by \
      Hartigan's dip test, with a false positive rate of at most 1 %, and the medians of the \
      best two groups are 2 % apart or more. The smaller group is found where it has 4 of 10, or \
      5 of 20 repetitions. A median says little of two groups: look for what differs between \
      their repetitions, such as the CPU, the page cache, the placement of memory or a clock \
      frequency.
      """)

  private static let series: [FindingRule.Number] = [
    .init("change", "share", "last_third / first_third - 1"),
    .init("first", "ns", "first_third"), .init("last", "ns", "last_third"),
    .init("p", "p", "trend_p"), .init("repetitions", "count", "repetitions"),
  ]

  static let drift = FindingRule(
    "drift", .warning, fewest: 10,
    cases: [
      .init(
        series, [.init("p", .atMost, 0.01), .init("change", .atLeast, 0.01)],
        "the wall time rises from repetition to repetition: {first} in the first third of "
          + "{repetitions}, {last} in the last ({change} more; p {p})"),
      .init(
        series + [.init("fall", "share", "1 - last_third / first_third")],
        [.init("p", .atMost, 0.01), .init("fall", .atLeast, 0.01)],
        "the wall time falls from repetition to repetition: {first} in the first third of "
          + "{repetitions}, {last} in the last ({fall} less; p {p})"),
    ],
    next: [
      "lbsample run --warmup 3 -- COMMAND: repetitions that are not counted",
      "lbsample run --order abba --command A --command B: a drift affects all phases alike",
    ],
    about: """
      Fires where the wall times of ten repetitions or more rise or fall by Mann and Kendall's \
      test (p of 0.01 or less, two-sided) and the median of the last third is 1 % or more off \
      that of the first third. Caches that fill, a CPU that heats up, a disk that fills or \
      memory that fragments may cause it; a median over such repetitions depends on how many \
      there were.
      """)
}
