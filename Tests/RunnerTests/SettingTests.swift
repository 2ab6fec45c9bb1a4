import SampleModel
import Testing

@testable import Runner

/// The declarations of settings.
@Suite struct SettingTests {
  @Test func everyDefaultIsAValue() {
    for setting in Setting.ofRuns where !setting.standard.isEmpty {
      #expect(setting.type.accepts(setting.standard), "\(setting.name) = \(setting.standard)")
    }
  }

  @Test func noNameIsTakenTwice() {
    let all = Setting.ofRuns
    #expect(Set(all.map(\.name)).count == all.count)
    let options = all.compactMap(\.option?.name)
    #expect(Set(options).count == options.count)
    let keys = all.compactMap(\.planKey)
    #expect(Set(keys).count == keys.count)
    #expect(all.count > 50 && options.count > 35 && keys.count > 25)
  }

  /// What programs that link the library get without settings is what the command has by default.
  @Test func theDefaultsAreThoseOfASpecification() {
    let plain = RunSpecification(name: "x", command: ["true"])
    var set = plain
    for setting in Setting.ofRuns where !setting.standard.isEmpty {
      setting.apply(setting.standard, to: &set)
    }
    // The command watches the host before a run; a program decides itself.
    #expect(set.host.window == 200_000_000)
    set.host.window = plain.host.window
    #expect(set.attempts == plain.attempts && set.gates == plain.gates && set.host == plain.host)
    #expect(set.quota.wall == nil && set.quota.bytes == nil && set.quietShare == plain.quietShare)
    #expect(
      [set.repetitions, set.warmUps, set.maximumRepetitions, set.outputLimit]
        == [plain.repetitions, plain.warmUps, plain.maximumRepetitions, plain.outputLimit])
    #expect(
      [set.cooldown, set.settle, set.quietLimit, set.grace, set.keepLimit]
        == [plain.cooldown, plain.settle, plain.quietLimit, plain.grace, plain.keepLimit])
    #expect(set.timeout == nil && set.idleTimeout == nil && set.reuse == nil && set.until == nil)
    #expect(set.output == plain.output && set.keep == plain.keep && set.hooks.isEmpty)
    #expect(set.requiresMetrics == plain.requiresMetrics && set.workspace == nil)
  }

  /// Each value of every kind of field arrives where it is read.
  @Test func aValueArrivesInItsField() throws {
    var run = RunSpecification(name: "x", command: ["true"])
    let values = [
      "run.repetitions": "7", "run.timeout": "2s", "run.grace": "3s", "run.idle_retries": "4",
      "run.backoff": "1s,2s", "gates.foreign_cpu": "20%", "gates.steal": "",
      "gates.throttling": "false", "gates.noted": "steal,drops", "workload.keep": "never",
      "workload.keep_limit": "9", "quota.bytes": "8", "quota.wall": "1m",
      "attempts.until": "ci<=2%", "workload.prepare": "sync", "plan.reuse": "any",
    ]
    for (name, text) in values {
      let setting = try #require(Setting.ofRuns.first { $0.name == name })
      #expect(setting.type.accepts(text), "\(name)")
      setting.apply(text, to: &run)
    }
    #expect(run.repetitions == 7 && run.timeout == 2_000_000_000 && run.grace == 3_000_000_000)
    #expect(
      run.attempts.idleRetries == 4 && run.attempts.backoff == [1_000_000_000, 2_000_000_000])
    #expect(run.gates.foreignCPU == 0.2 && run.host.foreignCPU == 0.2)
    #expect(run.gates.steal == nil && run.host.steal == nil && !run.gates.throttling)
    #expect(run.gates.noted == ["steal", "drops"] && run.keep == .never && run.keepLimit == 9)
    #expect(run.quota.bytes == 8 && run.quota.wall == 60_000_000_000 && run.until != nil)
    #expect(run.hooks[.prepare] == "sync" && run.reuse == .max)
  }

  @Test(arguments: [
    ("run.retries", "1001", "expected a whole number from 0 to 1000"),
    ("run.idle_timeout", "5ms", "at least 100ms"), ("run.idle_timeout", "soon", "not a duration"),
    ("gates.host", "blok", "expected one of note, block, off; did you mean block?"),
    ("gates.noted", "steal,foreign", "there is no foreign"),
    ("gates.noted", "foreign_cpus", "did you mean foreign_cpu?"),
    ("run.backoff", "5s,x", "expected durations such as 0s,5s,15s"),
    ("gates.steal", "2", "with the % sign"), ("quota.wall", "0s", "the minimum is 1ns"),
    ("workload.ignore_failure", "x", "expected all, or exit codes such as 1,2"),
  ]) func aComplaintSaysWhatIsExpected(_ name: String, _ text: String, _ words: String) throws {
    let setting = try #require(Setting.ofRuns.first { $0.name == name })
    #expect(!setting.type.accepts(text))
    #expect(setting.type.complaint(text).contains(words), "\(setting.type.complaint(text))")
  }
}
