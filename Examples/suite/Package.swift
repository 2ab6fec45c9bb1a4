// swift-tools-version: 6.2

import PackageDescription

/// What programs do with lbsample's libraries: `make examples` builds and runs both.
let package = Package(
  name: "suite",
  dependencies: [.package(name: "lbsample", path: "../..")],
  targets: [
    .executableTarget(
      name: "measure", dependencies: [.product(name: "SamplerKit", package: "lbsample")]),
    .executableTarget(
      name: "suite", dependencies: [.product(name: "RunnerKit", package: "lbsample")]),
  ],
  swiftLanguageModes: [.v6]
)
