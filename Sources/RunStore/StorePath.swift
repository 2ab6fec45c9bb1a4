import Foundation
import SampleModel

/// Where a result file may be.
enum StorePath {
  /// Throws `configuration` for a path with bytes that are no UTF-8: SQLite's names of files have
  /// none (sqlite3_open), and would be others.
  static func check(_ path: String) throws(LBError) {
    guard OSText.hasRawBytes(path) else { return }
    throw LBError(
      .configuration,
      "\(path) is not UTF-8: SQLite requires that of a result file's path. Choose another path "
        + "with --record or --runs-dir", context: ErrorContext(path: path))
  }

  /// The same, and for what is no file.
  static func check(existing path: String) throws(LBError) {
    try check(path)
    var isDirectory: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      !isDirectory.boolValue
    else {
      throw LBError(
        .configuration, "\(path): no such result file; 'lbsample runs list' shows those that exist",
        context: ErrorContext(path: path))
    }
  }
}
