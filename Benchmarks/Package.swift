// swift-tools-version: 6.1
import PackageDescription

// Microbenchmarks of the parts, on their own so that no user of the library fetches what measures it.
// `Sources` is a link to the sampler's: what is measured is not public. `make bench-check` runs them.
let modules: [(name: String, dependencies: [Target.Dependency])] = [
  ("SampleModel", []),
  ("KernelText", ["SampleModel"]),
  ("SampleRing", ["LinuxSystem"]),
  ("LinuxSystem", ["SampleModel", "CLinux", "CNuma", "CPfm"]),
  ("PerfEvents", ["SampleModel", "LinuxSystem"]),
  ("PacketStatistics", ["SampleModel", "LinuxSystem", "CLinux", "CPcap"]),
  ("Sampler", ["SampleModel", "SampleRing", "LinuxSystem", "CLinux"]),
  (
    "Collectors",
    ["SampleModel", "Sampler", "KernelText", "LinuxSystem", "PerfEvents", "PacketStatistics"]
  ),
  (
    "RunStore",
    ["SampleModel", "LinuxSystem", .product(name: "GRDB", package: "GRDB.swift")]
  ),
]

let package = Package(
  name: "lbsample-benchmarks",
  dependencies: [
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    .target(name: "CLinux"),
    .systemLibrary(name: "CNuma"),
    .systemLibrary(name: "CPcap"),
    .systemLibrary(name: "CPfm"),
    .target(name: "CAllocations", path: "CAllocations"),
  ]
    + modules.map {
      .target(
        name: $0.name, dependencies: $0.dependencies,
        swiftSettings: [
          .define("Numa"), .define("Pcap"), .enableUpcomingFeature("ExistentialAny"),
          .enableUpcomingFeature("InternalImportsByDefault"),
          .enableUpcomingFeature("MemberImportVisibility"),
        ])
    }
    + [
      .executableTarget(
        name: "Suites",
        dependencies: modules.map { .target(name: $0.name) } + [
          "CAllocations", .product(name: "Benchmark", package: "benchmark"),
        ],
        path: "Benchmarks/Suites",
        plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ],
  swiftLanguageModes: [.v6]
)
