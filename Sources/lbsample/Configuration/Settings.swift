import LinuxSystem
import Runner
import SampleModel
import Sampler
import Synchronization

/// The configuration in force: each key's value with its origin.
struct Settings {
  private var entries: [String: ConfigurationEntry] = [:]
  private static let told = Mutex<Set<String>>([])

  /// Defaults, then the file, then the environment, then the command line; all mistakes in
  /// them are reported together. A variable that is no setting may belong to another program: it is
  /// reported once.
  init(
    file: ConfigurationFile?, environment: [String: String], commandLine: [Given] = []
  ) throws(LBError) {
    var problems: [String] = []
    for key in SettingsSchema.all {
      entries[key.name] = ConfigurationEntry(
        key: key.name, value: key.standard, origin: "default")
    }
    if let file {
      problems += file.problems
      for entry in file.entries {
        set(entry.name, entry.value, "\(file.path):\(entry.line)", &problems)
      }
    }
    for (name, value) in environment.sorted(by: { $0.key < $1.key })
    where name.hasPrefix("LBSAMPLE_") && !RunEvents.variables.contains(name) {
      guard let key = SettingsSchema.keys.first(where: { $0.environmentName == name }) else {
        let nearest = Nearest.word(to: name, in: SettingsSchema.keys.map(\.environmentName))
        if Self.told.withLock({ $0.insert(name).inserted }) {
          Console.say(
            "lbsample: environment: \(name) is not a setting and is ignored\(Nearest.hint(nearest))"
          )
        }
        continue
      }
      set(key.name, value, "environment \(name)", &problems)
    }
    for given in commandLine {
      set(given.name, given.text, "command line \(given.option)", &problems)
    }
    guard problems.isEmpty else {
      let told = Array(problems.prefix(PlanProblems.most))
      let more = problems.count - told.count + (file?.untold ?? 0)
      let rest = more > 0 ? ["and \(Counted.text(more, "more problem"))"] : []
      throw LBError.listing(.configuration, told + rest)
    }
  }

  private mutating func set(
    _ name: String, _ value: String, _ origin: String, _ problems: inout [String]
  ) {
    guard let key = SettingsSchema.setting(name) else { return }
    guard key.type.accepts(value) else {
      problems.append("\(Self.location(origin, key, value)): \(key.type.complaint(value))")
      return
    }
    entries[name] = ConfigurationEntry(key: name, value: value, origin: origin)
  }

  /// A value with its origin: an option by its own name, a key with its file and line.
  private static func location(_ origin: String, _ key: Setting, _ value: String) -> String {
    let shown = value.isEmpty ? "(empty)" : value
    let prefix = "command line "
    guard origin.hasPrefix(prefix) else { return "\(origin): \(key.name) = \(shown)" }
    let option = origin.dropFirst(prefix.count)
    // As the option is written: --reuse=AGE, --interval-of NAME=TIME.
    let isJoined = key.option?.bare != nil || option.hasPrefix("--interval-of ")
    return isJoined ? "\(option)=\(shown)" : "\(option) \(shown)"
  }

  /// All entries of the file's keys in the schema's order, followed by those that the user defined.
  var all: [ConfigurationEntry] {
    let known = Set(SettingsSchema.all.map(\.name))
    return SettingsSchema.keys.compactMap { entries[$0.name] }
      + entries.values.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }
  }

  /// The keys of a section and their values, by the names without the section's.
  func section(_ name: String) -> [(name: String, value: String)] {
    all.filter { $0.key.hasPrefix(name + ".") && !$0.value.isEmpty }.map {
      (String($0.key.dropFirst(name.count + 1)), $0.value)
    }
  }

  /// The value of a key, as text.
  subscript(_ name: String) -> String {
    guard let entry = entries[name] else { preconditionFailure("no setting is called \(name)") }
    return entry.value
  }

  /// Where a key's value came from.
  func origin(_ name: String) -> String { entries[name]?.origin ?? "default" }

  func duration(_ name: String) -> UInt64 { Durations.parse(self[name]) ?? 0 }
  func integer(_ name: String) -> Int { Int(self[name]) ?? 0 }
  func flag(_ name: String) -> Bool { self[name] == "true" }

  func share(_ name: String) -> Double? { Share.parse(self[name]) }
  func list(_ name: String) -> [String] { SettingType.parts(self[name]) }

  /// Sets all settings of runs in a specification, each by its declaration.
  func apply(to specification: inout RunSpecification) {
    for setting in Setting.ofRuns {
      let text = self[setting.name]
      // What no one gives, and has no default, stays as the specification has it.
      if text.isEmpty, setting.standard.isEmpty { continue }
      setting.apply(text, to: &specification)
    }
  }
}
