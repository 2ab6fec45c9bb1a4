import Benchmark

let benchmarks: @Sendable () -> Void = {
  ringSuite()
  parserSuite()
  collectorSuite()
  bracketSuite()
  drainSuite()
  storeSuite()
  packetSuite()
}
