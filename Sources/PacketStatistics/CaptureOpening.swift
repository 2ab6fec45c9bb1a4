import Glibc
import LinuxSystem
import SampleModel

#if Pcap
  import CPcap

  extension PcapFunctions {
    /// The link type, the interface's own address and its largest payload.
    func identity(
      _ interface: String, _ handle: Handle
    ) -> (LinkType, UInt64, Int) {
      let folder = "/sys/class/net/\(interface)"
      let address = SmallFile.text("\(folder)/address") ?? ""
      let digits = address.split(separator: ":").joined()
      return (
        LinkType(unsafe linkType(handle)), UInt64(digits, radix: 16) ?? 0,
        SmallFile.text("\(folder)/mtu").flatMap { Int($0) } ?? 65_535
      )
    }

    /// Opens an interface for a capture. Adds options that are unavailable to `notes`. Throws
    /// `collectorUnavailable` or `configuration`.
    func open(
      _ interface: String, _ options: CaptureOptions, _ notes: inout [String]
    ) throws(LBError) -> Handle {
      var message = [CChar](repeating: 0, count: PcapFunctions.errorSize)
      guard let handle = unsafe create(interface.osCString, &message) else {
        throw LBError(.collectorUnavailable, "--packets \(interface): cannot be opened")
      }
      func fail(_ category: ErrorCategory, _ reason: String) -> LBError {
        unsafe close(handle)
        return LBError(
          category, "--packets \(interface): \(reason)",
          context: ErrorContext(collector: "packets"))
      }
      unsafe _ = setSnapLength(handle, Int32(options.snapLength))
      unsafe _ = setPromiscuous(handle, options.isPromiscuous ? 1 : 0)
      unsafe _ = setTimeout(handle, Int32(options.timeout))
      unsafe _ = setBufferSize(handle, Int32(options.bufferBytes))
      unsafe _ = setPrecision(handle, 1)
      if let name = options.timestampType {
        let type = unsafe timestampType(name)
        guard type >= 0, unsafe setTimestampType(handle, type) == 0 else {
          var error = fail(.configuration, "")
          error.message =
            "--packets-timestamp \(name.shownInLine): interface \(interface.shownInLine) has no "
            + "timestamps of this type; see pcap-tstamp(7)"
          throw error
        }
      }
      let status = unsafe activate(handle)
      guard status >= 0 else {
        // -8 and -11: no permission, for the capture or for promiscuous mode.
        if status == -8 || status == -11 {
          throw fail(
            .collectorUnavailable,
            "not permitted: run as root, or sudo setcap cap_net_raw+ep \"$(command -v lbsample)\"")
        }
        let word = unsafe statusText(status).map { unsafe String(cString: $0) }
        let detail = unsafe reason(handle)
        // -5: PCAP_ERROR_NO_SUCH_DEVICE.
        guard status != -5 else { throw fail(.collectorUnavailable, "no such interface") }
        throw fail(
          .collectorUnavailable,
          (word ?? "error") + (detail.isEmpty || detail == word ? "" : ": \(detail)"))
      }
      if status > 0 {
        let word = unsafe statusText(status).map { unsafe String(cString: $0) }
        let detail = unsafe reason(handle)
        notes.append(
          "packets: \(interface): \(word ?? "warning \(status)")"
            + (detail.isEmpty || detail == word ? "" : ": \(detail)"))
      }
      if options.direction != .both {
        let direction = options.direction == .in ? PCAP_D_IN : PCAP_D_OUT
        guard unsafe setDirection(handle, direction) == 0 else {
          throw fail(.configuration, unsafe reason(handle))
        }
      }
      if let filter = options.filter {
        do throws(LBError) { unsafe try self.filter(handle, filter) } catch {
          unsafe close(handle)
          throw error
        }
      }
      // ARPHRD_LOOPBACK: outgoing packets come in again, and libpcap would skip the outgoing ones.
      let isLoopback = SmallFile.text("/sys/class/net/\(interface)/type") == "772"
      if isLoopback || options.direction == .in {
        // SOL_PACKET, PACKET_IGNORE_OUTGOING (Linux 4.20): otherwise they are received and
        // discarded.
        var on: Int32 = 1
        _ = unsafe setsockopt(descriptor(handle), 263, 23, &on, 4)
      }
      guard unsafe setNonBlocking(handle, 1, &message) == 0 else {
        throw fail(.collectorUnavailable, unsafe reason(handle))
      }
      return unsafe handle
    }
  }
#endif
