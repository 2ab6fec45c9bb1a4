import LinuxSystem
package import SampleModel

/// Reads the executables and inputs that phases are about to be measured with.
package struct CellInspection {
  private let hashes: ContentHashes
  private let isStopped: () -> Bool

  /// A look through `hashes`, which `isStopped` ends early.
  package init(_ hashes: ContentHashes, isStopped: @escaping () -> Bool) {
    self.hashes = hashes
    self.isStopped = isStopped
  }

  /// Where a phase stands in its run.
  package struct Position {
    /// In which order its repetitions come with those of `mates`.
    package var order = RunOrder.sequential
    /// The names of the phases that take turns, this one among them.
    package var mates: [String] = []
    /// Commands that prepare the run and the lists that the phase is in.
    package var setups: [String] = []
    /// Whether processes of other phases run beside it.
    package var hasServers = false

    /// A phase by itself.
    package init() {}
  }

  /// With what the phase of `node`, which measures, is about to be measured.
  package func provenance(
    of node: PhaseNode, at position: Position, in surroundings: CellSurroundings?
  ) -> PhaseProvenance {
    var found = PhaseProvenance()
    guard let one = node.specification else { return found }
    let directory = surroundings?.directory ?? Directories.current
    let own = Self.real(one.directory ?? directory, from: directory)
    var problems: [String] = []
    func file(_ path: String, limit: UInt64) -> PhaseProvenance.File {
      do throws(FileDigest.Refusal) {
        let hash = try hashes.digest(of: path, limit: limit, isStopped: isStopped)
        return PhaseProvenance.File(path: path, sha256: hash)
      } catch {
        problems.append("\(path): \(error.text)")
        return PhaseProvenance.File(path: path, sha256: nil)
      }
    }
    if one.workspace != nil {
      // What stands in it is made for each attempt, its executable perhaps among it.
      problems.append("it works in a workspace, whose contents are not known")
    }
    do throws(LBError) {
      let path = Self.absolute(try WorkloadCommand.resolve(one), from: own)
      found.executable = file(path, limit: ContentHashes.largestExecutable)
    } catch {
      problems.append("its executable is not there yet")
    }
    var inputs = one.inputs
    switch one.input {
    case .file(let path): inputs.append(path)
    case .inherit: problems.append("it reads the standard input of lbsample")
    case .null: break
    }
    found.inputs = inputs.map { file(Self.real($0, from: directory), limit: .max) }
    found.inputs += WrappedCommand.executables(of: one).map {
      file(Self.absolute($0, from: own), limit: ContentHashes.largestExecutable)
    }
    found.environment = Self.environment(of: one)
    if !node.coRunners.isEmpty { problems.append("processes run beside it") }
    if position.hasServers { problems.append("a server of another phase runs beside it") }
    if !one.customGates.isEmpty || one.retryPolicy != nil {
      problems.append("its program judges its repetitions by itself")
    }
    if surroundings == nil { problems.append("its program says nothing of its surroundings") }
    guard problems.isEmpty, let surroundings else {
      found.unknown = problems.joined(separator: "; ")
      return found
    }
    found.key = Self.key(node, one, found, position, surroundings, directory: own).hex
    return found
  }

  private static func absolute(_ path: String, from directory: String) -> String {
    path.begins("/") ? path : "\(directory)/\(path)"
  }

  /// The one path of a file or directory, however it is named; as it is named where there is none.
  private static func real(_ path: String, from directory: String) -> String {
    let whole = absolute(path, from: directory)
    return Directories.real(whole) ?? whole
  }

  /// What is wrong with a file of `--depends`; nil where it can be read.
  static func mistake(in path: String, of phase: String) -> LBError? {
    guard !Directories.isRegularFile(path) || !Directories.isReadable(path) else { return nil }
    return refusal(of: path, in: phase)
  }

  /// The error of a phase one of whose inputs cannot be read.
  static func refusal(of path: String, in phase: String) -> LBError {
    let what =
      Directories.isDirectory(path)
      ? "is a directory, not a file"
      : Directories.exists(path) ? "cannot be read as a regular file" : "does not exist"
    return LBError(
      .configuration, "\(phase): --depends \(path): \(what); check the path",
      context: ErrorContext(path: path))
  }

  /// Everything that a later measurement of the same phase is held against.
  package static func key(
    _ node: PhaseNode, _ one: RunSpecification, _ found: PhaseProvenance, _ position: Position,
    _ surroundings: CellSurroundings, directory: String
  ) -> CellKey {
    func contents(_ files: [PhaseProvenance.File]) -> [String] {
      files.flatMap { [$0.path, $0.sha256 ?? ""] }
    }
    let parameters = node.parameters.sorted { $0.key < $1.key }
    // The order in which inputs are named decides nothing, nor whether one is named twice.
    let named = Dictionary(
      found.inputs.prefix(one.inputs.count).map { (ExactText($0.path), $0) },
      uniquingKeysWith: { $1 })
    let inputs = named.values.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    return CellKey(
      [
        CellKey.Part("phase", [node.name, node.kind]),
        CellKey.Part("parameters", parameters.flatMap { [$0.key, $0.value] }),
        CellKey.Part("order", [position.order.text] + position.mates),
        CellKey.Part("setups", position.setups),
        CellKey.Part("directory", [directory]),
        CellKey.Part("executable", contents(found.executable.map { [$0] } ?? [])),
        CellKey.Part("inputs", contents(inputs)),
        CellKey.Part("others", contents(Array(found.inputs.dropFirst(one.inputs.count)))),
      ] + surroundings.parts + CellKey.parts(of: one))
  }

  /// Names with the hashes of their values; masked values have no hash.
  private static func environment(of one: RunSpecification) -> [String: String] {
    var found: [String: String] = [:]
    for pair in one.environment {
      guard let (given, value) = pair.halves("=") else { continue }
      let name = OSText.distinct(given)
      guard found[name] == nil else { continue }
      found[name] =
        one.isMasked(given)
        ? PhaseProvenance.hidden : String(SHA256.hex(of: Array(value.utf8)).prefix(16))
    }
    return found
  }

  /// The files whose contents are not those of `before` any more, or cannot be read any more.
  package func changes(since before: PhaseProvenance) -> [String] {
    before.files.filter { file in
      guard let hash = file.sha256 else { return false }
      do throws(FileDigest.Refusal) {
        return try hashes.digest(of: file.path, isStopped: isStopped) != hash
      } catch {
        if case .stopped = error { return false }
        return true
      }
    }.map(\.path)
  }
}
