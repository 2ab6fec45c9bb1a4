import Collectors
import SampleModel
import Sampler
import Testing

@testable import Exchange

/// Names by Prometheus' rules.
@Suite struct FamilyNameTests {
  private func name(
    _ prefix: String, _ name: String, _ unit: MetricUnit = .count, _ kind: MetricKind = .counter
  ) -> String? {
    var names = FamilyNames()
    let metric = MetricDescription(name, unit, kind, meaning: "something")
    return names.family(metric, prefix: prefix)?.sampleName
  }

  @Test func namesHaveBaseUnitsAndTotals() {
    #expect(name("cpu", "user", .nanoseconds) == "lbsample_cpu_user_seconds_total")
    #expect(name("net", "rx_bytes", .bytes) == "lbsample_net_rx_bytes_total")
    #expect(name("disk", "read_sectors", .bytes) == "lbsample_disk_read_bytes_total")
    #expect(name("disk", "read_ticks", .nanoseconds) == "lbsample_disk_read_seconds_total")
    #expect(
      name("cgroup", "cpu.stat.usage_usec", .nanoseconds)
        == "lbsample_cgroup_cpu_stat_usage_seconds_total")
    #expect(name("power", "energy", .joules) == "lbsample_power_energy_joules_total")
    #expect(name("temperature", "temp", .celsius, .gauge) == "lbsample_temperature_temp_celsius")
    #expect(
      name("pressure", "io.some.avg10", .ratio, .gauge) == "lbsample_pressure_io_some_avg10_ratio")
    #expect(
      name("links", "speed", .bitsPerSecond, .gauge) == "lbsample_links_speed_bytes_per_second")
    #expect(name("top", "comm", .text, .gauge) == nil)
  }

  @Test func wordsAreInSnakeCase() {
    let words = [
      "MemAvailable": "mem_available", "SReclaimable": "sreclaimable",
      "KReclaimable": "kreclaimable", "TCPTimeouts": "tcp_timeouts", "DirectMap1G": "direct_map1g",
      "Node0Free": "node0_free", "Active(anon)": "active_anon",
      "InNoECTPkts": "in_no_ect_pkts", "FragOKs": "frag_oks",
      "Udp6InDatagrams": "udp6_in_datagrams",
      "NFS_Unstable": "nfs_unstable", "L1-dcache-load-misses": "l1_dcache_load_misses",
      "cpu-cycles:u": "cpu_cycles_u", "é": "",
    ]
    for (name, expected) in words {
      #expect(FamilyNames.words(name).joined(separator: "_") == expected, "\(name)")
    }
  }

  /// What the formats reserve, and what Prometheus' linter takes for a unit or a type.
  @Test func reservedWordsDoNotEndNames() {
    #expect(
      name("memory", "HugePages_Total", .count, .gauge) == "lbsample_memory_huge_pages_total_value")
    #expect(name("memory", "MemTotal", .bytes, .gauge) == "lbsample_memory_mem_total_bytes")
    #expect(name("conntrack", "count", .count, .gauge) == "lbsample_conntrack_count_value")
    #expect(name("interrupts", "count") == "lbsample_interrupts_total")
    #expect(name("x", "some.s.thing") == "lbsample_x_some_sthing_total")
    #expect(name("x", "hits.m") == "lbsample_x_hitsm_total")
    #expect(name("x", "gauge", .count, .gauge) == "lbsample_x_level")
  }

  @Test func twoMetricsNeverShareAName() {
    var names = FamilyNames()
    let one = names.family(MetricDescription("aB", .bytes, .counter, meaning: "1"), prefix: "x")
    let two = names.family(MetricDescription("a_b", .bytes, .counter, meaning: "2"), prefix: "x")
    let again = names.family(MetricDescription("aB", .bytes, .counter, meaning: "1"), prefix: "x")
    #expect(one?.sampleName == "lbsample_x_ab_bytes_total")
    #expect(one != two && one == again)
    #expect(two?.unit == "bytes" && two?.name.hasSuffix("_bytes") == true)
    // A gauge is not called as a counter's series either.
    let counter = names.family(MetricDescription("n", .count, .counter, meaning: "3"), prefix: "x")
    let gauge = names.family(
      MetricDescription("n_total_", .count, .gauge, meaning: "4"), prefix: "x")
    #expect(counter?.sampleName != gauge?.sampleName)
  }

  /// The rules of Prometheus' linter for every metric that lbsample describes.
  @Test func everyCollectorsNamesKeepTheRules() {
    let abbreviations: Set<String> = [
      "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
    ]
    let units: Set<String> = [
      "seconds", "bytes", "ratio", "hertz", "celsius", "joules", "bytes_per_second",
    ]
    var names = FamilyNames()
    var seen = Set<String>()
    var count = 0
    for collector in CollectorRegistry.host().collectors {
      let description = collector.description
      for metric in description.metrics {
        guard let family = names.family(metric, prefix: description.prefix) else { continue }
        count += 1
        #expect(seen.insert(family.sampleName).inserted, "\(family.sampleName)")
        let isSnake = family.name.utf8.allSatisfy {
          (97...122).contains($0) || (48...57).contains($0) || $0 == 95
        }
        #expect(isSnake && !family.name.contains("__"), "\(family.name)")
        let words = family.name.split(separator: "_").map(String.init)
        #expect(abbreviations.isDisjoint(with: words), "\(family.name)")
        #expect(family.unit.map { units.contains($0) && family.name.hasSuffix("_\($0)") } ?? true)
        if family.kind == .gauge {
          let reserved = ["_total", "_count", "_sum", "_bucket", "_created", "_info"]
          #expect(!reserved.contains { family.name.hasSuffix($0) }, "\(family.name)")
        }
        #expect(family.help.hasPrefix("\(description.prefix).\(metric.name): "))
      }
    }
    #expect(count > 400)
  }
}
