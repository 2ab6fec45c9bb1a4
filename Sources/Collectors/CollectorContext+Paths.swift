import Glibc
import LinuxSystem
import SampleModel
import Sampler

extension CollectorContext {
  /// A file of PROC/net, which links to PROC/self/net. Under a foreign mount `self` is missing or
  /// another process, so process 1 is used there.
  func network(_ name: String) -> String {
    guard !roots.isOwnProc else { return roots.proc("net/\(name)") }
    let first = roots.proc("1/net/\(name)")
    return probeTextFile(first) == .available ? first : roots.proc("net/\(name)")
  }

  /// Entries of a directory below the sys root that consist of `prefix` and a number, ordered by
  /// number.
  func numbered(_ directory: String, _ prefix: String) -> [String] {
    directoryEntries(roots.sys(directory)).compactMap { entry -> (Int, String)? in
      guard entry.hasPrefix(prefix), let number = Int(entry.dropFirst(prefix.count)) else {
        return nil
      }
      return (number, entry)
    }
    .sorted { $0.0 < $1.0 }.map(\.1)
  }
}

/// A level of the host or an instance, such as `nr_hugepages`.
func gauge(
  _ name: String, _ meaning: String, unit: MetricUnit = .count, scale: Scale = .identity,
  host: Bool = false, isSigned: Bool = false, resolution: UInt64? = nil
) -> MetricDescription {
  MetricDescription(
    name, unit, .gauge, scale: scale, extent: host ? .host : .instance, isSigned: isSigned,
    resolution: resolution, meaning: meaning)
}

/// A cumulative count of the host or an instance.
func counter(
  _ name: String, _ meaning: String, unit: MetricUnit = .count, scale: Scale = .identity,
  host: Bool = false, width: UInt8 = 64, resolution: UInt64? = nil, mayLag: Bool = false,
  isSum: Bool = false
) -> MetricDescription {
  MetricDescription(
    name, unit, .counter, scale: scale, width: width, extent: host ? .host : .instance,
    resolution: resolution, mayLag: mayLag, isSum: isSum, meaning: meaning)
}

/// Whether a kernel file can be opened and read, as the result of a probe.
func probeTextFile(_ path: String) -> Availability {
  do throws(SystemError) {
    let bytes = try SmallFile.read(path)
    return bytes.isEmpty ? .absent(reason: "\(path) is empty") : .available
  } catch {
    switch error.errno {
    case EACCES, EPERM:
      return .denied(
        reason: "\(path): \(error.reason)", fix: "run as root, or grant read access to \(path)")
    default: return .absent(reason: "\(path): \(error.reason)")
    }
  }
}
