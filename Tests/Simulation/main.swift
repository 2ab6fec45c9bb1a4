// Simulates sampling sessions: `simulate SEEDS [FIRST]` runs SEEDS seeds from FIRST on (1), prints
// what they reached, and each seed with a fault with the command that repeats it. Ends with 1 then.
// A single seed is run with a log of all that happened.

import Glibc
import TestSupport

let arguments = CommandLine.arguments.dropFirst().map { UInt64($0) }
guard (1...2).contains(arguments.count), let count = arguments[0], count > 0,
  let first = arguments.count > 1 ? arguments[1] : 1
else {
  print("usage: simulate SEEDS [FIRST]")
  exit(2)
}

var totals: [String: Int] = [:]
var failures = 0
for seed in first..<first + count {
  let summary = SamplerSimulation.run(seed: seed, isLogged: count == 1)
  for (what, number) in summary.counts { totals[what, default: 0] += number }
  for line in summary.log { print(line) }
  if count == 1 { print("trace \(String(summary.trace, radix: 16))") }
  guard !summary.faults.isEmpty else { continue }
  failures += 1
  print("seed \(seed) (simulate 1 \(seed)):")
  for fault in summary.faults { print("  \(fault)") }
}
for (what, number) in totals.sorted(by: { $0.key < $1.key }) { print("\(number) \(what)") }
print("\(failures) of \(count) seeds have faults")
exit(failures == 0 ? 0 : 1)
