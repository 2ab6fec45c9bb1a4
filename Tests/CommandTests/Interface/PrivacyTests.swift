import Foundation
import Glibc
import RunStore
import SampleModel
import TestSupport
import Testing

/// Who may read what a run keeps, and what it does not keep.
@Suite struct PrivacyTests {
  @Test(.enabled(if: getuid() == 0, "only root's results are for root alone"))
  func whatRootWritesIsRootsAlone() throws {
    let (code, text) = try Command().shell(
      """
      umask 022
      $0 run --cpu --quiet --runs-dir runs --result r.json -- true > report 2>&1 || exit 9
      $0 --cpu -i 10ms --count 100 --record s.lbsample > table 2>&1 & pid=$!
      while [ ! -e s.lbsample-tail ]; do sleep 0.02; done
      stat -c '%a' runs/*.lbsample r.json s.lbsample*; wait $pid || exit 8
      stat -c '%a' s.lbsample
      """)
    let modes = Set(text.split(separator: "\n").map(String.init))
    #expect(code == 0 && modes == ["600"], "\(code): \(text)")
  }

  private func plan(_ command: Command) throws -> String {
    try command.folder.write(
      "plan.toml",
      """
      env = { PLAN_TOKEN = "hidden-3" }
      [[phase]]
      name = "p"
      command = ["sh", "-c", "echo $MY_SECRET $OTHER $PLAN_TOKEN >> seen; test -e again || sleep 9"]
      """)
  }

  /// The workload has them, the file has not; whoever resumes has to know them.
  @Test func secretsAreNotKept() throws {
    var command = try Command()
    let running = try command.start([
      "run", "--cpu", "--config", "/dev/null", "--env", "MY_SECRET=hidden-1", "--env=OTHER=shown",
      "--plan", try plan(command),
    ])
    let seen = command.folder.file("seen")
    #expect(running.wait { (FileManager.default.contents(atPath: seen) ?? Data()).count > 0 })
    kill(running.process.processIdentifier, SIGTERM)
    _ = try running.finish()
    let file = try #require(command.resultFile)
    let reader = try RunReader(path: file)
    let kept = try reader.result().configuration
    reader.close()
    #expect(!kept.contains { $0.value.contains("hidden") }, "\(kept)")
    #expect(kept.first { $0.key == "workload.environment" }?.value == "MY_SECRET=*** OTHER=shown")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    #expect(bytes.range(of: Data("hidden-".utf8)) == nil)
    try command.folder.write("again", "")
    let words = ["run", "--config", "/dev/null", "--resume", "last"]
    let refused = try command.start(words).finish()
    #expect(refused.code == 2 && refused.error.contains("set MY_SECRET in"), "\(refused.error)")
    command.environment["MY_SECRET"] = "hidden-1"
    let outcome = try command.start(words).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    let lines = try String(contentsOfFile: seen, encoding: .utf8)
    #expect(lines == "hidden-1 shown hidden-3\nhidden-1 shown hidden-3\n")
  }

  /// Names may be one's own, or none.
  @Test(arguments: [("*x", "A=1 MAX=*** TOKEN=2"), ("", "A=1 MAX=7 TOKEN=2")])
  func namesMayBeOnesOwn(_ mask: String, _ kept: String) throws {
    var command = try Command()
    command.environment["LBSAMPLE_RUN_MASK"] = mask
    let outcome = try command(
      "run", "--cpu", "--config", "/dev/null", "--env", "A=1", "--env", "MAX=7", "--env", "TOKEN=2",
      "--", "true")
    #expect(outcome.code == 0, "\(outcome.error)")
    let reader = try RunReader(path: try #require(command.resultFile))
    let entries = try reader.result().configuration
    #expect(entries.first { $0.key == "workload.environment" }?.value == kept)
    let arguments = entries.first { $0.key == "command.arguments" }?.value ?? ""
    #expect(arguments.contains("MAX=7") == mask.isEmpty && arguments.contains("A=1"))
  }

  /// A combining mark behind the sign of equality makes another character of it, not another value.
  @Test func aMarkBehindTheNameHidesNothing() throws {
    let command = try Command()
    let outcome = try command(
      "run", "--cpu", "--config", "/dev/null", "--env", "MY_TOKEN=\u{301}hidden", "--label",
      "K=\u{301}x", "--", "sh", "-c", "printf %s \"$MY_TOKEN\" > seen")
    #expect(outcome.code == 0, "\(outcome.error)")
    let seen = FileManager.default.contents(atPath: command.folder.file("seen"))
    #expect(seen == Data("\u{301}hidden".utf8))
    let file = try #require(command.resultFile)
    let reader = try RunReader(path: file)
    let result = try reader.result()
    reader.close()
    #expect(result.labels["K"].map { Array($0.utf8) } == Array("\u{301}x".utf8))
    #expect(!result.configuration.contains { $0.value.contains("hidden") })
  }
}
