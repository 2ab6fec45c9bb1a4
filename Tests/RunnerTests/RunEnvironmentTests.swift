import LinuxSystem
import Runner
import SampleModel
import TestSupport
import Testing

/// Activity of workloads, workspaces and other settings of the environment of a repetition.
@Suite struct RunEnvironmentTests {
  @Test func aWorkloadIsIdleWhenNothingMovesForTheWholeLimit() {
    func sample(_ output: UInt64, _ ticks: UInt64) -> ActivitySample {
      ActivitySample(output: output, cpuTicks: ticks)
    }
    let second: UInt64 = 1_000_000_000
    var watch = ActivityWatch(limit: 4 * second, now: 10 * second)
    #expect(watch.nextCheck == 11 * second)
    // What is first seen is a change; output or CPU time alone is one too.
    let seen: [(UInt64, ActivitySample, Bool)] = [
      (11, sample(0, 0), false), (14, sample(0, 0), false), (15, sample(0, 0), true),
      (16, sample(1, 0), false), (19, sample(1, 0), false), (19, sample(1, 1), false),
      (22, sample(1, 1), false), (23, sample(1, 1), true),
    ]
    for (time, sample, isIdle) in seen {
      #expect(watch.isIdle(sample, now: time * second) == isIdle, "at \(time) s")
      #expect(watch.nextCheck == (time + 1) * second)
    }
  }

  @Test(arguments: [
    ("empty", WorkspacePlan.Content.empty), ("/data/in", .copy("/data/in")), ("./a", .copy("./a")),
    ("git:/src/repo", .git(repository: "/src/repo", revision: nil)),
    ("git:/src/repo@v1.2", .git(repository: "/src/repo", revision: "v1.2")),
    ("git:file:///src/repo@main", .git(repository: "file:///src/repo", revision: "main")),
    // An @ of an address is none of a revision.
    (
      "git:git@host.example:team/repo",
      .git(repository: "git@host.example:team/repo", revision: nil)
    ),
    (
      "git:ssh://git@host.example/repo@topic",
      .git(repository: "ssh://git@host.example/repo", revision: "topic")
    ),
  ]) func workspacesAreRead(_ text: String, _ content: WorkspacePlan.Content) {
    #expect(WorkspacePlan(text).content == content)
  }

  @Test func aHostIsQuietOrSilent() throws {
    let folder = try TemporaryFolder()
    let roots = MountRoots(proc: folder.file("proc"), sys: "/nowhere")
    let services = try context(FakeSpawner(), roots: roots).services
    func wait(_ limit: UInt64) -> QuietHost.Outcome {
      QuietHost.wait(below: 0.05, limit: limit, services)
    }
    #expect(wait(1) == .unknown)
    try folder.write("proc/stat", "cpu 5 0 5 80 5 0 0 0\n")
    #expect(wait(1) == .quiet, "no tick has passed")
    services.stop.raise(reason: 15)
    #expect(wait(.max / 2) == .stopped)
  }
}
