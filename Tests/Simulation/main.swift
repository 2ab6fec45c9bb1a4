// Simulates sampling sessions: `simulate SEEDS [FIRST]` runs SEEDS seeds from FIRST on (1), prints
// what they reached, and each seed with a fault with the command that repeats it. Ends with 1 then.
// A single seed is run with a log of all that happened.
//
// `simulate SEEDS FIRST STEP` is what it starts itself by: a process for each CPU has every so many
// seeds, a batch after the other. What sessions whose threads hang leave behind goes with a batch,
// and a seed that ends its process is named like any other.

import Glibc
import TestSupport

let numbers = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
guard (1...3).contains(numbers.count), numbers.count == CommandLine.arguments.count - 1,
  numbers[0] > 0, numbers[0] <= 1 << 32
else {
  print("usage: simulate SEEDS [FIRST]")
  exit(2)
}
let count = Int(numbers[0])
let first = numbers.count > 1 ? numbers[1] : 1
if numbers.count == 3 {
  try SimulationBatch.simulate(count, from: first, step: numbers[2])
  exit(0)
}
var failures = 0
if count == 1 {
  let summary = SamplerSimulation.run(seed: first, isLogged: true)
  for line in summary.log { print(line) }
  print("trace \(String(summary.trace, radix: 16))")
  failures = summary.faults.isEmpty ? 0 : 1
  if failures > 0 { print(SimulationBatch.report(summary)) }
  for line in SimulationTotals(summary.counts).lines { print(line) }
} else {
  var run = try SimulationRun(count, from: first)
  try run.finish()
  failures = run.failures
  for line in run.totals.lines { print(line) }
}
print("\(failures) of \(count) seeds have faults")
exit(failures == 0 ? 0 : 1)
