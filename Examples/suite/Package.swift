// swift-tools-version: 6.2

import PackageDescription

/// A benchmark suite of one's own on lbsample's library.
let package = Package(
  name: "suite",
  dependencies: [.package(name: "lbsample", path: "../..")],
  targets: [
    .executableTarget(
      name: "suite", dependencies: [.product(name: "RunnerKit", package: "lbsample")])
  ])
