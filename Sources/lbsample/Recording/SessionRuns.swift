import RunAnalysis
import RunStore
import Runner
import SampleModel

/// Reads from stored runs how much runs of the same differ on a host.
///
/// Of the newest `mostListed` runs those are asked for, by the index of their directory, whose
/// command another one of them has too; of these at most `mostRead` are opened, the newest ones,
/// and none of their samples and single values is read.
struct SessionRuns {
  static let mostListed = 500
  static let mostRead = 100

  private let directory: RunDirectory

  init(_ directory: RunDirectory) { self.directory = directory }

  /// The noise between sessions on the host of `base`, without the runs of `sides`; none is known
  /// where no side is of another session.
  func noise(of base: ComparedSide, among sides: [ComparedSide]) -> SessionNoise {
    guard let first = base.phases.first, base.phases.count == 1,
      sides.contains(where: { side in
        side.phases.count == 1 && side.phases.contains { $0.origin != first.origin }
      })
    else { return SessionNoise([]) }
    let identities = Set(([base] + sides).flatMap(\.phases).compactMap(\.identity))
    let compared = Set(([base] + sides).flatMap(\.phases).flatMap { [$0.run, $0.origin] })
    let files: [String]
    do throws(LBError) { files = try directory.files() } catch {
      // Runs may be named by their paths: then nothing else is known of this host.
      return SessionNoise([])
    }
    var sessions: [SessionNoise.Session] = []
    for file in candidates(files, without: compared).prefix(Self.mostRead) {
      do throws(LBError) {
        sessions += try read(file, onHostOf: first)
      } catch {
        // It is no run of the same then; `runs list` names what cannot be read.
        continue
      }
    }
    return SessionNoise(sessions.filter { identities.contains($0.identity) })
  }

  /// Files of completed runs whose command several of them have, newest first.
  private func candidates(_ files: [String], without compared: Set<String>) -> [String] {
    let index = RunIndex(of: directory)
    var found: [(file: String, command: [String])] = []
    for file in files.prefix(Self.mostListed)
    where !compared.contains(RunDirectory.id(ofFile: file)) {
      do throws(LBError) {
        let overview = try index.overview(file) { path throws(LBError) in
          let reader = try RunReader(path: path)
          defer { reader.close() }
          return try reader.reading()
        }
        guard overview.kind == "run", overview.status == .completed, overview.completed > 0 else {
          continue
        }
        found.append((file, overview.command))
      } catch {
        // As above.
        continue
      }
    }
    index.save(of: files)
    let counts = Dictionary(found.map { ($0.command, 1) }, uniquingKeysWith: +)
    return found.filter { counts[$0.command].map { $0 > 1 } ?? false }.map(\.file)
  }

  /// The phases of a run on the same host that it measured itself, by their medians; those without
  /// disturbed repetitions where there are any.
  private func read(
    _ file: String, onHostOf base: ComparedPhase
  ) throws(LBError) -> [SessionNoise.Session] {
    let reader = try RunReader(path: file)
    defer { reader.close() }
    guard reader.damage == nil else { return [] }
    let result = try reader.result([])
    let version = try reader.version()
    return result.phases.compactMap { phase in
      guard phase.status == .completed, phase.provenance?.takenFrom == nil else { return nil }
      let compared = ComparedPhase(result, phase, version: version, resolutions: [:])
      guard let identity = compared.identity, compared.hostFacts == base.hostFacts else {
        return nil
      }
      let rows = phase.cleanMetrics.isEmpty ? phase.metrics : phase.cleanMetrics
      var medians = Dictionary(rows.map { ($0.metric, $0.median) }, uniquingKeysWith: { $1 })
      let times = compared.repetitions.filter(\.contamination.isEmpty)
        .compactMap { $0.value(of: ComparedPhase.cpuTime) }
      medians[ComparedPhase.cpuTime] = Statistics.median(times)
      return SessionNoise.Session(identity: identity, medians: medians)
    }
  }
}
