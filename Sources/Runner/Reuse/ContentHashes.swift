package import LinuxSystem
import SampleModel

/// The hashes of files: each is read once as long as it is known to hold the same.
package final class ContentHashes {
  /// Bytes of the largest executable that is hashed: 1 GiB, which takes some seconds.
  package static let largestExecutable: UInt64 = 1 << 30

  private var known: [ExactText: FileDigest] = [:]

  /// Nothing is known yet.
  package init() {}

  /// The hash of the file at `path`.
  package func digest(
    of path: String, limit: UInt64 = .max, isStopped: () -> Bool
  ) throws(FileDigest.Refusal) -> String {
    let name = ExactText(path)
    if let digest = known[name], digest.isKnownToHold(at: path) { return digest.hex }
    known[name] = nil
    let digest = try FileDigest(of: path, limit: limit, isStopped: isStopped)
    known[name] = digest
    return digest.hex
  }
}

extension FileDigest.Refusal {
  /// In words, behind the file's path.
  package var text: String {
    switch self {
    case .system(let error): error.reason
    case .notRegular: "not a regular file"
    case .tooLarge(let limit): "larger than \(limit) bytes, so that it is not hashed"
    case .changed: "it changed while it was read"
    case .stopped: "reading it was stopped"
    }
  }
}
