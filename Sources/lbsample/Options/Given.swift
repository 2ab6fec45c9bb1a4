import ArgumentParser
import Runner
import SampleModel

/// What the command line gives a setting. Its type is checked with those of all others, when the
/// settings in force are made.
struct Given: Decodable {
  /// The setting's name.
  let name: String
  let text: String
  /// The option as messages name it.
  let option: String

  /// A value of the setting called `name`, by the option that its declaration names.
  init(_ name: String, _ text: String) {
    self.init(name, text, option: "--\(SettingsSchema.declared(name).optionName)")
  }

  /// A value that came by another way, such as `--interval-of disk`.
  init(_ name: String, _ text: String, option: String) {
    (self.name, self.text, self.option) = (name, text, option)
  }

  /// All that the options of a command or of a group give, with those of the groups within.
  static func all(of options: some ParsableArguments) -> [Given] {
    Mirror(reflecting: options).children.flatMap { child -> [Given] in
      (child.value as? any GivingOption)?.given ?? []
    } + ((options as? any SettingFlags)?.flags.compactMap { $1 ? Given($0, "true") : nil } ?? [])
  }

  /// The keys of plans that these override.
  static func planKeys(_ all: [Given]) -> Set<String> {
    Set(all.compactMap { SettingsSchema.setting($0.name)?.planKey })
  }

  /// Those of `section` as entries of a result's configuration: settings of one run, which the
  /// settings in force do not list.
  static func entries(_ all: [Given], of sections: Set<String>) -> [ConfigurationEntry] {
    all.filter {
      guard let setting = SettingsSchema.setting($0.name) else { return false }
      return !setting.isInFile && sections.contains(setting.section)
    }.map { ConfigurationEntry(key: $0.name, value: $0.text, origin: "command line") }
  }
}

/// A group with flags that are settings: their names, and whether each is given.
protocol SettingFlags {
  var flags: [(name: String, isGiven: Bool)] { get }
}

/// An option, or a group of them, that gives settings values.
private protocol GivingOption {
  var given: [Given] { get }
}

extension Option: GivingOption where Value == Given? {
  fileprivate var given: [Given] { wrappedValue.map { [$0] } ?? [] }

  /// The option of a declared setting: its name, help, default and form are the declaration's.
  init(_ setting: String) {
    let words = OptionWords.of(setting)
    self.init(
      name: words.names, parsing: .unconditional, help: words.help,
      transform: { Given(setting, $0) })
  }
}

extension OptionGroup: GivingOption {
  fileprivate var given: [Given] { Given.all(of: wrappedValue) }
}

extension Flag where Value == Bool {
  /// The flag of a declared setting.
  init(_ setting: String) {
    let words = OptionWords.of(setting)
    self.init(wrappedValue: false, name: words.names, help: words.help)
  }
}

extension Setting {
  var optionName: String {
    guard let option else { preconditionFailure("no option sets \(name)") }
    return option.name
  }
}

/// Names and help of an option for the parser, made once: the parser makes the groups of options
/// anew many times at each start.
private struct OptionWords {
  let names: NameSpecification
  let help: ArgumentHelp

  private static let all = Dictionary(
    uniqueKeysWithValues: SettingsSchema.all.compactMap { setting in
      setting.option.map { (setting.name, OptionWords(setting, $0)) }
    })

  /// Those of the option of the setting called `name`.
  static func of(_ name: String) -> OptionWords {
    guard let words = all[name] else { preconditionFailure("no option sets \(name)") }
    return words
  }

  private init(_ setting: Setting, _ option: Setting.Option) {
    let short = option.short.map { [NameSpecification.Element.customShort($0)] } ?? []
    names = NameSpecification(short + [.customLong(option.name)])
    let isShown = !setting.standard.isEmpty && !option.valueName.isEmpty
    var help = ArgumentHelp(
      stringLiteral: setting.meaning + (isShown ? " (default: \(setting.standard))" : ""))
    if !option.valueName.isEmpty { help.valueName = option.valueName }
    self.help = help
  }
}
