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
  static func check(
    existing path: String, advice: String = "'lbsample runs list' shows those that exist"
  ) throws(LBError) {
    try check(path)
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else {
      let reason = errno
      guard reason != EACCES else { throw denied(path) }
      let words = reason == ENOENT ? "no such result file" : StoreFailure.reason(reason)
      throw LBError(
        .configuration, "\(path): \(words); \(advice)",
        context: ErrorContext(path: path, errno: reason))
    }
    guard facts.st_mode & S_IFMT != S_IFDIR else {
      throw LBError(
        .configuration,
        "\(path) is a directory, not a result file; 'lbsample runs list --runs-dir \(path)' shows "
          + "the runs in it", context: ErrorContext(path: path))
    }
    guard unsafe access(path, R_OK) == 0 || errno != EACCES else { throw denied(path) }
  }

  private static func denied(_ path: String) -> LBError {
    LBError(
      .resultPersistence,
      "\(path): permission denied; have its owner let you read it and its directory, or run as its "
        + "owner", context: ErrorContext(path: path, errno: EACCES))
  }
}
