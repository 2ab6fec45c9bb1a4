// swift-tools-version: 6.2

import PackageDescription

#if !os(Linux)
  fatalError("lbsample samples the Linux kernel: it builds on Linux only")
#endif

/// Module → what it may import. `Tests/RepositoryTests` holds the sources to this table.
let modules: [(name: String, dependencies: [Target.Dependency])] = [
  ("SampleModel", []),
  ("KernelText", ["SampleModel"]),
  (
    "LinuxSystem",
    [
      "SampleModel", "CLinux",
      .target(name: "CNuma", condition: .when(traits: ["Numa"])),
      .target(name: "CPfm", condition: .when(traits: ["Pfm"])),
    ]
  ),
  ("SampleRing", ["LinuxSystem"]),
  ("PerfEvents", ["SampleModel", "LinuxSystem"]),
  (
    "PacketStatistics",
    [
      "SampleModel", "LinuxSystem", "CLinux",
      .target(name: "CPcap", condition: .when(traits: ["Pcap"])),
    ]
  ),
  ("Sampler", ["SampleModel", "SampleRing", "LinuxSystem", "CLinux"]),
  (
    "Collectors",
    ["SampleModel", "Sampler", "KernelText", "LinuxSystem", "PerfEvents", "PacketStatistics"]
  ),
  ("RunStore", ["SampleModel", .product(name: "GRDB", package: "GRDB.swift")]),
  ("RunAnalysis", ["SampleModel"]),
  (
    "Runner",
    [
      "SampleModel", "Sampler", "RunStore", "RunAnalysis", "LinuxSystem",
      .product(name: "Logging", package: "swift-log"),
    ]
  ),
  ("Output", ["SampleModel", "RunAnalysis"]),
  ("Report", ["SampleModel", "RunAnalysis", "Output", "LinuxSystem"]),
  ("Exchange", ["SampleModel", "RunStore", "LinuxSystem"]),
  (
    "SamplerKit",
    [
      "SampleModel", "Sampler", "Collectors", "LinuxSystem", "PerfEvents", "PacketStatistics",
    ]
  ),
  (
    "RunnerKit",
    [
      "SampleModel", "SamplerKit", "Sampler", "Collectors", "Runner", "RunStore", "LinuxSystem",
      .product(name: "Logging", package: "swift-log"),
    ]
  ),
  ("TestSupport", ["SampleModel", "Sampler", "LinuxSystem", "Runner", "RunStore", "RunAnalysis"]),
]

/// Tests mirror the modules; each may look into everything below the command.
let tested = [
  "SampleModel", "KernelText", "SampleRing", "LinuxSystem", "PerfEvents", "PacketStatistics",
  "Sampler", "Collectors",
  "RunStore",
  "RunAnalysis", "Runner", "Output", "Report", "Exchange", "SamplerKit", "RunnerKit",
]

/// Tests of these modules alone (names with commas between), without the programs that serve other
/// tests: a build for a sanitizer that few tests run under.
let only = Context.environment["LBSAMPLE_TESTED"]?.split(separator: ",").map(String.init)

let package = Package(
  name: "lbsample",
  products: [
    .library(name: "SamplerKit", targets: ["SamplerKit"]),
    .library(name: "RunnerKit", targets: ["RunnerKit"]),
    .executable(name: "lbsample", targets: ["lbsample"]),
  ],
  traits: [
    .default(enabledTraits: ["Numa", "Pcap"]),
    .trait(name: "Numa", description: "Place ring memory on NUMA nodes through libnuma"),
    .trait(name: "Pcap", description: "Ask libpcap what packet capture this host offers"),
    .trait(name: "Pfm", description: "Know processor vendors' names of events through libpfm4"),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .target(name: "CLinux"),
    .systemLibrary(name: "CNuma", providers: [.apt(["libnuma-dev"])]),
    .systemLibrary(name: "CPcap", providers: [.apt(["libpcap-dev"])]),
    .systemLibrary(name: "CPfm", providers: [.apt(["libpfm4-dev"])]),
    .executableTarget(
      name: "lbsample",
      dependencies: [
        "CLinux", "SampleModel", "LinuxSystem", "PerfEvents", "PacketStatistics", "Sampler",
        "Collectors", "RunStore", "RunAnalysis", "Runner", "Output", "Report", "Exchange",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "TOMLKit", package: "TOMLKit"),
      ]
    ),
  ]
    + modules.map { .target(name: $0.name, dependencies: $0.dependencies) }
    + tested.filter { only?.contains($0) ?? true }.map { name in
      .testTarget(
        name: "\(name)Tests",
        dependencies: [
          "CLinux", "TestSupport", .product(name: "Logging", package: "swift-log"),
          .product(name: "GRDB", package: "GRDB.swift"),
          .target(name: "CPfm", condition: .when(traits: ["Pfm"])),
        ] + tested.map { .target(name: $0) })
    }
    + (only != nil
      ? []
      : [
        .testTarget(
          name: "CommandTests",
          dependencies: [
            "lbsample", "workload", "brackets", "TestSupport", "LinuxSystem", "RunStore",
            "SampleModel", .product(name: "Yams", package: "Yams"),
            .product(name: "GRDB", package: "GRDB.swift"),
          ]),
        // What the tests run and the users never see.
        .executableTarget(name: "workload", path: "Tests/Workload"),
        .executableTarget(
          name: "attack",
          dependencies: [
            "LinuxSystem", "RunStore", "SampleModel", "TestSupport",
            .product(name: "GRDB", package: "GRDB.swift"),
          ], path: "Tests/Attack", exclude: ["cases"]),
        .executableTarget(
          name: "simulate", dependencies: ["LinuxSystem", "TestSupport"], path: "Tests/Simulation"),
        .executableTarget(
          name: "brackets",
          dependencies: ["SampleModel", "LinuxSystem", "PerfEvents", "Sampler", "Collectors"],
          path: "Benchmarks/brackets"),
        .executableTarget(
          name: "packets", dependencies: ["LinuxSystem", "PacketStatistics"],
          path: "Benchmarks/packets"),
        .executableTarget(
          name: "rates", dependencies: ["SampleModel", "LinuxSystem", "SampleRing", "RunStore"],
          path: "Benchmarks/rates"),
        .executableTarget(
          name: "comparisons", dependencies: ["SampleModel", "RunAnalysis", "TestSupport"],
          path: "Benchmarks/comparisons"),
        .testTarget(name: "RepositoryTests"),
      ]),
  swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system && target.name != "CLinux" {
  target.swiftSettings = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
  ]
}
