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
    file: ConfigurationFile?, environment: [String: String], commandLine: [(String, String, String)]
  ) throws(LBError) {
    var problems: [String] = []
    for key in SettingsSchema.keys {
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
    for (name, value, option) in commandLine {
      set(name, value, "command line \(option)", &problems)
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
    guard let key = SettingsSchema.key(name) else { return }
    guard key.type.accepts(value) else {
      problems.append("\(Self.written(origin, name, value)): " + key.type.complaint(value))
      return
    }
    entries[name] = ConfigurationEntry(key: name, value: value, origin: origin)
  }

  /// What has the value: an option by its own name, a key with where it stands.
  private static func place(_ origin: String, _ name: String) -> String {
    let prefix = "command line "
    return origin.hasPrefix(prefix)
      ? String(origin.dropFirst(prefix.count)) : "\(origin): \(name) ="
  }

  /// A value with what has it, an option as it is written: `--interval-of disk=1x`.
  private static func written(_ origin: String, _ name: String, _ value: String) -> String {
    let place = place(origin, name)
    let link = place.hasPrefix("--interval-of ") ? "=" : " "
    return place + link + (value.isEmpty ? "(empty)" : value)
  }

  /// All entries in the schema's order, followed by those that the user defined.
  var all: [ConfigurationEntry] {
    let known = Set(SettingsSchema.keys.map(\.name))
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

  /// A key as messages name it, with where its value came from.
  func place(_ name: String) -> String { Self.place(origin(name), name) }

  /// A key with its value, as messages name it.
  func written(_ name: String) -> String { Self.written(origin(name), name, self[name]) }

  /// Where a key's value came from.
  func origin(_ name: String) -> String { entries[name]?.origin ?? "default" }

  func duration(_ name: String) -> UInt64 { Durations.parse(self[name]) ?? 0 }
  func integer(_ name: String) -> Int { Int(self[name]) ?? 0 }
  func flag(_ name: String) -> Bool { self[name] == "true" }

  func list(_ name: String) -> [String] {
    self[name].parts(",").map { $0.trimmed }.filter { !$0.isEmpty }
  }
}
