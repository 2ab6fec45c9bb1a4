import Glibc
import LinuxSystem
package import SampleModel

/// Packets of a pcap or pcapng file, in order.
@safe
package final class Savefile {
  /// One packet of a file.
  package struct Packet: Sendable {
    /// Of the interface that it was captured at.
    package var link: LinkType
    /// Unix time in nanoseconds; that of the previous packet if the file has none.
    package var time: UInt64
    package var wireLength: Int
    package var bytes: [UInt8]
  }

  private let path: String
  private let reader: SavefileReader
  private var lastTime: UInt64 = 0
  #if Pcap
    private var filter: SavefileFilter?
  #endif
  /// The link type of the first interface.
  package let link: LinkType
  /// Unreadable packets, and the reason for the first one.
  package private(set) var malformed: UInt64 = 0
  package private(set) var firstMalformation: String?

  /// Opens `path`, `-` for standard input. Throws `configuration` if it is not a savefile.
  package init(_ path: String) throws(LBError) {
    self.path = path
    do {
      reader = try SavefileReader(path)
    } catch {
      let reason = (error as? SavefileReader.Damage)?.reason ?? Self.words(error)
      throw LBError(
        .configuration, "packets: \(path): \(reason)",
        context: ErrorContext(path: path, errno: (error as? SystemError)?.errno))
    }
    link = reader.firstLink.map { LinkType($0) } ?? .ethernet
  }

  /// Keeps only packets that pass an expression of pcap-filter(7).
  package func filter(_ expression: String) throws(LBError) {
    #if Pcap
      filter = try SavefileFilter(expression, link: reader.firstLink ?? 1)
    #else
      throw LBError(.collectorUnavailable, "packets: a filter is built with the Pcap trait only")
    #endif
  }

  /// The next packet, nil at the end. An unreadable packet is skipped and counted; a damaged file
  /// throws a `configuration` error.
  package func next() throws(LBError) -> Packet? {
    while true {
      switch try event() {
      case .end: return nil
      case .malformed(let reason):
        malformed += 1
        firstMalformation = firstMalformation ?? reason
      case .packet(let found):
        lastTime = found.time ?? lastTime
        var bytes: [UInt8] = []
        unsafe reader.bytes(of: found) { unsafe bytes.append(contentsOf: $0) }
        guard try passes(bytes, found) else { continue }
        return Packet(
          link: LinkType(found.link), time: lastTime, wireLength: found.wireLength, bytes: bytes)
      }
    }
  }

  private func passes(_ bytes: [UInt8], _ packet: SavefileReader.Packet) throws(LBError) -> Bool {
    #if Pcap
      guard let filter else { return true }
      let outcome = unsafe bytes.withUnsafeBytes { room -> Result<Bool, LBError> in
        do throws(LBError) {
          return .success(
            unsafe try filter.passes(room, wireLength: packet.wireLength, link: packet.link))
        } catch {
          return .failure(error)
        }
      }
      return try outcome.get()
    #else
      return true
    #endif
  }

  private func event() throws(LBError) -> SavefileReader.Event {
    do {
      return try reader.next()
    } catch let error as SavefileReader.Damage {
      throw LBError(
        .configuration, "packets: \(path) is damaged: \(error.reason)",
        context: ErrorContext(path: path))
    } catch {
      throw LBError(
        .configuration, "packets: \(path): \(Self.words(error))",
        context: ErrorContext(path: path, errno: (error as? SystemError)?.errno))
    }
  }

  private static func words(_ error: any Error) -> String {
    (error as? SystemError)?.reason ?? "\(error)"
  }
}

#if Pcap
  import CPcap

  extension PcapFunctions {
    /// Unix time of a packet of a capture with nanosecond precision.
    @inline(__always)
    static func time(_ header: pcap_pkthdr) -> UInt64 {
      UInt64(truncatingIfNeeded: header.ts.tv_sec) &* 1_000_000_000
        &+ UInt64(truncatingIfNeeded: header.ts.tv_usec)
    }

    /// Compiles an expression and gives it to the kernel.
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
