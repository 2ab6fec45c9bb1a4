import Output
import Runner
import SampleModel

/// All settings as texts, made from their declarations: for people, for programs, and as a
/// collectors.conf with every default.
enum ConfigurationText {
  /// A setting for programs.
  struct Key: Encodable {
    let key: String
    let values: String
    let standard: String
    let meaning: String
    let environment: String
    let option: String?
    let plan: String?

    enum CodingKeys: String, CodingKey {
      case key, values, meaning, environment, option, plan
      case standard = "default"
    }

    /// A setting that the file does not take has no key and no variable.
    init(_ setting: Setting) {
      key = setting.isInFile ? setting.name : ""
      values = setting.values
      standard = setting.standard
      meaning = setting.meaning
      environment = setting.isInFile ? setting.environmentName : ""
      option = setting.option.map { "--\($0.name)" }
      plan = setting.planKey
    }
  }

  /// Rows of key, values, default and option.
  static func table() -> [String] {
    let rows = SettingsSchema.keys.map { setting in
      [
        setting.name, setting.values, setting.standard.isEmpty ? "\"\"" : setting.standard,
        setting.option.map { "--\($0.name)" } ?? "",
      ]
    }
    return TextTable.lines([["key", "values", "default", "option"]] + rows, leftColumns: 4)
  }

  /// collectors.conf with every key and its default.
  static func file() -> String {
    var text = wrapped(
      "lbsample's configuration: every key with its default. A line that is left out, or a file "
        + "that is not there, means the default. Precedence: default < this file < environment "
        + "(LBSAMPLE_SECTION_KEY) < plan < command line. `lbsample config show` says what is in "
        + "force and why; `lbsample config check FILE` names every mistake in a file. This text is "
        + "that of `lbsample config keys --format toml`.")
    var section = ""
    var isOfIntervals = false
    for setting in SettingsSchema.keys {
      if setting.section != section {
        section = setting.section
        text += "\n" + (SettingsSchema.sections[section].map(wrapped) ?? "") + "[\(section)]\n"
      }
      let isInterval = setting.name.hasSuffix("_interval")
      if isInterval, !isOfIntervals { text += wrapped(SettingsSchema.meaningOfIntervals) }
      isOfIntervals = isInterval
      if !isInterval, SettingsSchema.openSections[section] == nil {
        text += wrapped(setting.meaning)
      }
      text += "\(setting.name.dropFirst(section.count + 1)) = \(value(of: setting))\n"
    }
    return text
  }

  private static func value(of setting: Setting) -> String {
    switch setting.type {
    case .boolean, .integer: return setting.standard
    case .collectors:
      return "[" + SettingType.parts(setting.standard).map { "\"\($0)\"" }.joined(separator: ", ")
        + "]"
    default: return "\"\(setting.standard)\""
    }
  }

  /// A comment, in lines of at most a hundred characters.
  private static func wrapped(_ comment: String) -> String {
    var lines = ["#"]
    for word in comment.split(separator: " ") {
      if lines[lines.count - 1].count + 1 + word.count > 100 { lines.append("#") }
      lines[lines.count - 1] += " \(word)"
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
