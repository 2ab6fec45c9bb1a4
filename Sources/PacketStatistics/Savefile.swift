import Glibc
import LinuxSystem
package import SampleModel

#if Pcap
  import CPcap
#endif

/// Packets of a pcap or pcapng file, in order.
@safe
package final class Savefile {
  #if Pcap
    private let functions: PcapFunctions
    private let handle: PcapFunctions.Handle
  #endif
  private let path: String
  package let link: LinkType

  /// Opens `path`, `-` for standard input. Throws `configuration` where it is no savefile.
  package init(_ path: String) throws(LBError) {
    self.path = path
    #if Pcap
      guard let functions = PcapLibrary.functions else {
        throw LBError(
          .collectorUnavailable,
          "packets: libpcap is not installed; apt-get install libpcap0.8")
      }
      var message = [CChar](repeating: 0, count: PcapFunctions.errorSize)
      // 1: times in nanoseconds, whatever the file has.
      guard let handle = unsafe functions.openOffline(path, 1, &message) else {
        let reason = String(
          decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        throw LBError(
          .configuration,
          reason.hasPrefix(path) ? "packets: \(reason)" : "packets: \(path): \(reason)",
          context: ErrorContext(path: path))
      }
      self.functions = functions
      unsafe self.handle = handle
      link = LinkType(unsafe functions.linkType(handle))
    #else
      throw LBError(.collectorUnavailable, "packets: built without the Pcap trait")
    #endif
  }

  deinit {
    #if Pcap
      unsafe functions.close(handle)
    #endif
  }

  /// Keeps only what passes an expression of pcap-filter(7).
  package func filter(_ expression: String) throws(LBError) {
    #if Pcap
      unsafe try functions.filter(handle, expression)
    #endif
  }

  /// Gives the next packet to `body`: its bytes, its length on the wire, its Unix time. False at
  /// the end. A damaged file ends with a `configuration` error that says so.
  package func next(
    _ body: (UnsafeRawBufferPointer, Int, UInt64) -> Void
  ) throws(LBError) -> Bool {
    #if Pcap
      var header: UnsafeMutablePointer<pcap_pkthdr>?
      var bytes: UnsafePointer<UInt8>?
      let result = unsafe functions.next(handle, &header, &bytes)
      if result == 1, let header = unsafe header {
        let seconds = unsafe header.pointee.ts.tv_sec
        guard (0..<4_294_967_296).contains(seconds) else {
          throw LBError(
            .configuration, "packets: \(path) is damaged: a packet's time is \(seconds) s",
            context: ErrorContext(path: path))
        }
        let time = unsafe PcapFunctions.time(header.pointee)
        let count = unsafe bytes == nil ? 0 : Int(header.pointee.caplen)
        unsafe body(
          UnsafeRawBufferPointer(start: bytes, count: count), Int(header.pointee.len), time)
        return true
      }
      // -2 is the end of the file.
      if result == -2 { return false }
      throw LBError(
        .configuration, "packets: \(path) is damaged: \(unsafe functions.reason(handle))",
        context: ErrorContext(path: path))
    #else
      return false
    #endif
  }
}

#if Pcap
  extension PcapFunctions {
    /// Unix time of a packet that was opened with a precision of nanoseconds.
    @inline(__always)
    static func time(_ header: pcap_pkthdr) -> UInt64 {
      UInt64(truncatingIfNeeded: header.ts.tv_sec) &* 1_000_000_000
        &+ UInt64(truncatingIfNeeded: header.ts.tv_usec)
    }

    /// Compiles an expression and gives it to the kernel, or to the reader of a file.
    func filter(_ handle: Handle, _ expression: String) throws(LBError) {
      var program = unsafe bpf_program()
      // 0xFFFFFFFF: the network's mask is not known.
      var result = unsafe compile(handle, &program, expression, 1, 0xFFFF_FFFF)
      if result == 0 {
        result = unsafe setFilter(handle, &program)
        unsafe freeCode(&program)
      }
      guard result == 0 else {
        let reason = unsafe reason(handle)
        throw LBError(.configuration, "--packets-filter '\(expression)': \(reason)")
      }
    }
  }
#endif
