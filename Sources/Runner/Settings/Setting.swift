import SampleModel

/// One setting, with all that is said of it: collectors.conf, the environment, the command line,
/// plans, `config show`, help, man page and reference are made from this.
package struct Setting: Sendable {
  /// An option that sets it.
  package struct Option: Sendable {
    /// Without its dashes.
    package let name: String
    package let short: Character?
    /// The placeholder of the value in help.
    package let valueName: String
    /// Its value where it is given without one; a value then stands behind an equals sign.
    package let bare: String?
  }

  /// `section.key` as in the file. A setting that the file does not take has the name that its
  /// value has in a result's configuration.
  package let name: String
  package let type: SettingType
  /// The default, as text; empty for none.
  package let standard: String
  /// Its meaning, in one sentence or two.
  package let meaning: String
  /// Whether collectors.conf and the environment take it.
  package private(set) var isInFile = true
  package private(set) var option: Option?
  /// Its key in plans.
  package private(set) var planKey: String?
  /// Whether it is of repetitions, and so has no effect on a background process.
  package private(set) var isOfRepetitions = false
  /// Where a run's specification has it.
  private var field: SettingField?

  /// A key of collectors.conf that no option sets, unless one of the functions below says more.
  package init(_ name: String, _ type: SettingType, _ standard: String, _ meaning: String) {
    self.name = name
    self.type = type
    self.standard = standard
    self.meaning = meaning
  }

  /// With an option that sets it.
  package func option(
    _ name: String, short: Character? = nil, _ valueName: String = "", bare: String? = nil
  ) -> Self {
    changed { $0.option = Option(name: name, short: short, valueName: valueName, bare: bare) }
  }

  /// Known to plans too, by this key.
  package func plan(_ key: String, ofRepetitions: Bool = false) -> Self {
    changed {
      $0.planKey = key
      $0.isOfRepetitions = ofRepetitions
    }
  }

  /// Not in collectors.conf: of one run, not of all.
  package var ofOneRun: Self { changed { $0.isInFile = false } }

  /// Kept in this field of a run's specification.
  func sets(_ field: SettingField) -> Self { changed { $0.field = field } }

  private func changed(_ change: (inout Self) -> Void) -> Self {
    var copy = self
    change(&copy)
    return copy
  }

  /// Its variable of the environment: `LBSAMPLE_SECTION_NAME`.
  package var environmentName: String {
    "LBSAMPLE_" + String(name.uppercased().map { ".-".contains($0) ? "_" : $0 })
  }

  /// Its values as the reference lists them: those of its type, or what its option calls them.
  package var values: String {
    if case .text = type, let name = option?.valueName { return name }
    return type.values
  }

  /// The section of collectors.conf.
  package var section: String { String(name.prefix { $0 != "." }) }

  /// Sets it in a specification. `text` is a value that its type accepts.
  package func apply(_ text: String, to specification: inout RunSpecification) {
    field?.set(text, in: &specification)
  }
}

/// Where a specification has a setting, and how the text is read.
enum SettingField: Sendable {
  typealias Path<Value> = any WritableKeyPath<RunSpecification, Value> & Sendable

  case count(Path<Int>)
  case optionalCount(Path<Int?>)
  /// Bytes.
  case size(Path<UInt64>)
  case optionalSize(Path<UInt64?>)
  /// Nanoseconds.
  case time(Path<UInt64>)
  /// Nanoseconds; 0 is no limit.
  case limit(Path<UInt64?>)
  case share(Path<Double?>)
  case flag(Path<Bool>)
  case other(@Sendable (String, inout RunSpecification) -> Void)

  func set(_ text: String, in specification: inout RunSpecification) {
    switch self {
    case .count(let path): Int(text).map { specification[keyPath: path] = $0 }
    case .optionalCount(let path): specification[keyPath: path] = Int(text)
    case .size(let path): UInt64(text).map { specification[keyPath: path] = $0 }
    case .optionalSize(let path): specification[keyPath: path] = UInt64(text)
    case .time(let path): Durations.parse(text).map { specification[keyPath: path] = $0 }
    case .limit(let path):
      let time = Durations.parse(text)
      specification[keyPath: path] = time == 0 ? nil : time
    case .share(let path): specification[keyPath: path] = Share.parse(text)
    case .flag(let path): specification[keyPath: path] = text == "true"
    case .other(let set): set(text, &specification)
    }
  }
}
