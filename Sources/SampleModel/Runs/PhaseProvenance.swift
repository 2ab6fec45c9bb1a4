/// With what a phase was measured, as far as its contents are known: by it a later run can tell
/// whether it would measure the same.
public struct PhaseProvenance: Sendable, Hashable, Codable {
  /// A file and its contents.
  public struct File: Sendable, Hashable, Codable {
    /// From the root on.
    public var path: String
    /// The SHA-256 of its contents in 64 hexadecimal digits; nil where it could not be read.
    public var sha256: String?

    /// A file with its contents.
    public init(path: String, sha256: String?) {
      self.path = path
      self.sha256 = sha256
    }
  }

  /// The file that was executed; nil where none was found.
  public var executable: File?
  /// The files that `--depends` names, and that of `--input`, in their order.
  public var inputs: [File]
  /// The variables of the workload: of each value the first 16 digits of its SHA-256, and `***` of
  /// one whose name tells a secret (`run.mask`).
  public var environment: [String: String]
  /// The hash of everything that `--reuse` holds against one another; nil where part of it is not
  /// known.
  public var key: String?
  /// Why there is no key.
  public var unknown: String?
  /// The run that measured the phase, where it was not this one (`--reuse`).
  public var takenFrom: String?

  /// Nothing is known.
  public init() {
    inputs = []
    environment = [:]
  }

  /// The executable, then the inputs.
  package var files: [File] { (executable.map { [$0] } ?? []) + inputs }

  /// Replaces the hash of a masked value.
  package static let hidden = "***"
}
