import Foundation
import GRDB
package import SampleModel

/// Labels of a run that is over.
extension RunReader {
  /// Sets the labels `set` and removes those in `removed`, in one transaction that is on the disk
  /// when this returns. The seal follows it. Throws, and changes nothing, where the run is not
  /// over, its file does not hold what was sealed or may not be written, or a label to remove is
  /// not there.
  package func label(set: [String: String], removed: [String]) throws(LBError) {
    let path = path
    guard !queue.configuration.readonly else {
      throw LBError(
        .resultPersistence,
        "\(path): labels cannot be changed: the file is not yours, or may not be written",
        context: ErrorContext(path: path))
    }
    if try isBeingRecorded() { throw Self.isOpen(path) }
    do {
      verified = []
      try queue.writeThrough { db in
        try verify(Seal.tables(db), db)
        try RunWriter.checkPages(db, path)
        let status = try String.fetchOne(db, sql: "SELECT status FROM run")
        let open = [RunStatus.pending, .running, .waiting].map(\.rawValue)
        guard let status, !open.contains(status) else { throw Self.isOpen(path) }
        try Seal.arm(db)
        for key in removed {
          try db.execute(sql: "DELETE FROM main.label WHERE key = ?", arguments: [key])
          guard db.changesCount == 1 else {
            throw LBError(
              .configuration, "\(path) has no label \(key) that could be removed",
              context: ErrorContext(path: path))
          }
        }
        for (key, value) in set.sorted(by: { $0.key < $1.key }) {
          try db.execute(sql: "DELETE FROM main.label WHERE key = ?", arguments: [key])
          try db.execute(
            sql: "INSERT INTO main.label (key, value) VALUES (?, ?)", arguments: [key, value])
        }
      }
      verified = []
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: "changing labels")
    }
  }

  /// Holds every table against what was sealed, in a file that has a seal.
  package func verifyAll() throws(LBError) {
    let names = try read("reading the tables") { db in try Seal.tables(db) }
    try read("reading the tables", of: names) { _ in }
  }

  private static func isOpen(_ path: String) -> LBError {
    LBError(
      .configuration, "\(path) is not over: labels are changed when its run has ended",
      context: ErrorContext(path: path))
  }
}
