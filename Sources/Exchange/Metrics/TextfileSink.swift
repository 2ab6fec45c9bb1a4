import LinuxSystem
package import SampleModel

/// Writes the last readings into a file for node_exporter's textfile collector, over and over.
///
/// The file is replaced as a whole by a new one, so that no reader finds a part. It has no
/// times: that collector refuses a file with times. Nothing is flushed to the disk: after a power
/// failure the file is of no interest.
package final class TextfileSink: SampleSink {
  /// The least time between two files, in nanoseconds.
  private static let pause: UInt64 = 1_000_000_000

  private let path: String
  private let latest: LatestSink
  private var nextTime: UInt64 = 0
  private var hasFrame = false
  package private(set) var bytesWritten: UInt64 = 0

  /// A sink that writes at `path`, where a file may be, no faster than once a second.
  package init(_ path: String, version: String, facts: @escaping @Sendable () -> OwnMetrics.Facts)
    throws(LBError)
  {
    self.path = path
    latest = LatestSink(version: version, facts: facts)
    guard !Directories.exists(path) || Directories.isRegularFile(path) else {
      throw LBError(
        .configuration, "--textfile \(path): not a regular file, which a new one could replace",
        context: ErrorContext(path: path))
    }
    // A directory that cannot be written is known before anything is armed.
    try write([], isTrial: true)
  }

  /// Takes the streams and the clock.
  package func begin(_ meta: StreamMeta) throws(LBError) { try latest.begin(meta) }
  /// Takes columns.
  package func layout(_ layout: Layout) throws(LBError) { try latest.layout(layout) }
  /// Records have no series.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  /// Counts the event, and takes its clock.
  package func event(_ event: SampleEvent) throws(LBError) { try latest.event(event) }

  /// Takes values.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    try latest.frame(header, values)
    hasFrame = true
  }

  /// Writes the file if there is news and the last one is a second old; at the end in any case.
  package func commit(watermark: UInt64) throws(LBError) {
    try latest.commit(watermark: watermark)
    let now = Clock.monotonic()
    guard hasFrame, now >= nextTime || watermark == .max else { return }
    hasFrame = false
    // A pass may come slightly early.
    nextTime = now &+ Self.pause &- 10_000_000
    try write(latest.text(.text, hasTimes: false, at: now).bytes, isTrial: false)
  }

  private func write(_ bytes: [UInt8], isTrial: Bool) throws(LBError) {
    let draft = try DraftFile(path, mayReplace: true, isFlushed: false)
    guard !isTrial else { return }
    try draft.write(bytes)
    try draft.finish()
    bytesWritten &+= UInt64(bytes.count)
  }
}
