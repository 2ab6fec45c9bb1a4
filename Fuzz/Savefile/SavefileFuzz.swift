// Compiled into one module with Sources/PacketStatistics by Scripts/fuzz.
import Glibc
import SampleModel

/// Takes everything and checks that times do not step back.
private final class LastTime: SampleSink {
  private var time: UInt64 = 0
  let bytesWritten: UInt64 = 0

  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    precondition(values.count == PacketCount.count, "a frame of \(values.count) values")
    precondition(header.start >= time, "a frame's time steps back")
    time = header.start
  }
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    precondition(rows.count % PacketRow.words == 0, "half a row")
  }
  func event(_ event: SampleEvent) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}
}

private let descriptor = fileno(tmpfile())

/// The bytes are a pcap or pcapng file: it is played to its end, or refused in words.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, data, count, 0) == count else { abort() }
  do throws(LBError) {
    let file = try Savefile("/proc/self/fd/\(descriptor)")
    let replay = SavefileReplay(
      file, name: "f", interval: 1_000_000, options: CaptureOptions(interfaces: []))
    let outcome = try replay.play(into: [LastTime()], limit: 1000)
    precondition(outcome.failure?.message.isEmpty != true)
  } catch {
    precondition(!error.message.isEmpty)
  }
  return 0
}
