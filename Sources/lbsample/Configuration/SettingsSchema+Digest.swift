import RunAnalysis
import Runner
import SampleModel

/// What collectors.conf says of the digest: its rows, in order.
extension SettingsSchema {
  static let digestKeys: [Setting] = DigestDefinition.standardTexts.map { key, text in
    Setting("digest.\(key)", .digestRow, text, "A row of the digest; empty: left out.")
  }
}

extension Settings {
  /// The entries that a result keeps: all but the digest's, which are of how results are shown.
  var measuring: [ConfigurationEntry] { all.filter { !$0.key.hasPrefix("digest.") } }

  /// The digest in force: the built-in rows in their order, then the user's own by key.
  var digest: DigestDefinition {
    DigestDefinition(
      section("digest").compactMap { key, text in
        // Whatever is no row was refused when the settings were read.
        do throws(DigestRowError) { return try DigestRow(key: key, text) } catch { return nil }
      })
  }
}
