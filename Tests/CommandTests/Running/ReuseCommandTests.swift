import Foundation
import SampleModel
import TestSupport
import Testing

/// `run --reuse` and `run --depends`, by the command.
@Suite struct ReuseCommandTests {
  /// A gate may find that something disturbed a repetition here: that is noted alone.
  @Test func aMatrixMeasuresOnlyWhatIsNewOrChanged() throws {
    let command = try Command()
    let input = try command.folder.write("input.txt", "1")
    let settings = try command.folder.write(
      "lb.conf",
      "[gates]\nnoted = \"deadlines,drops,running,own_cost,foreign_cpu,steal,throttling\"\n")
    func measured(_ values: String) throws -> [String] {
      let outcome = try command.start([
        "run", "--entropy", "--config", settings, "--format", "json", "-r", "2", "--reuse",
        "--depends", input, "-L", "n=\(values)", "--", "sh", "-c", ": {n}",
      ]).finish()
      #expect(outcome.code == 0, "\(outcome.error)")
      let result = try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
      for phase in result.phases where phase.provenance?.takenFrom != nil {
        #expect(outcome.error.contains("\(phase.name): not measured again"), "\(outcome.error)")
        #expect(phase.repetitions.count == 2 && !phase.metrics.isEmpty)
      }
      return result.phases.filter { $0.provenance?.takenFrom == nil }.map(\.name)
    }
    #expect(try measured("1,2") == ["main[n=1]", "main[n=2]"])
    #expect(try measured("1,2,3") == ["main[n=3]"])
    try command.folder.write("input.txt", "2")
    #expect(try measured("1,3") == ["main[n=1]", "main[n=3]"])
  }

  @Test func whatDependsNamesHasToBeAFile() throws {
    let command = try Command()
    for path in [command.folder.path, command.folder.file("none")] {
      let outcome = try command.start([
        "run", "--entropy", "--config", "/dev/null", "--depends", path, "--", "true",
      ]).finish()
      #expect(outcome.code == 2 && outcome.error.contains("--depends \(path)"), "\(outcome.error)")
    }
  }
}
