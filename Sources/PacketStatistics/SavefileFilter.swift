import SampleModel

#if Pcap
  import CPcap

  /// An expression of pcap-filter(7), compiled for each link type that occurs.
  @safe
  final class SavefileFilter {
    private let functions: PcapFunctions
    private let expression: String
    private var programs: [Int32: UnsafeMutablePointer<bpf_program>] = unsafe [:]

    /// Compiles `expression` for `link`. Throws `configuration` if it is invalid.
    init(_ expression: String, link: Int32) throws(LBError) {
      guard let functions = PcapLibrary.functions else {
        throw LBError(
          .collectorUnavailable,
          "packets: a filter needs libpcap, which is not installed; apt-get install libpcap0.8")
      }
      self.functions = functions
      self.expression = expression
      _ = unsafe try program(link)
    }

    deinit {
      for unsafe(_, compiled) in unsafe programs {
        unsafe functions.freeCode(compiled)
        unsafe compiled.deallocate()
      }
    }

    private func program(_ link: Int32) throws(LBError) -> UnsafeMutablePointer<bpf_program> {
      if let known = unsafe programs[link] { return unsafe known }
      guard let handle = unsafe functions.openDead(link == 101 ? 12 : link, 262_144) else {
        throw LBError(.internal, "packets: libpcap gives no handle for a filter")
      }
      defer { unsafe functions.close(handle) }
      let program = UnsafeMutablePointer<bpf_program>.allocate(capacity: 1)
      unsafe program.initialize(to: bpf_program())
      // 0xFFFFFFFF: the network's mask is not known.
      guard unsafe functions.compile(handle, program, expression, 1, 0xFFFF_FFFF) == 0 else {
        let reason = unsafe functions.reason(handle)
        unsafe program.deallocate()
        throw LBError(
          .configuration, "--packets-filter '\(expression)': \(reason) (link type \(link))")
      }
      unsafe programs[link] = program
      return unsafe program
    }

    /// Whether a packet of a link type passes.
    func passes(
      _ bytes: UnsafeRawBufferPointer, wireLength: Int, link: Int32
    ) throws(LBError) -> Bool {
      let program = unsafe try program(link)
      var header = pcap_pkthdr()
      header.caplen = UInt32(truncatingIfNeeded: bytes.count)
      header.len = UInt32(truncatingIfNeeded: wireLength)
      var none: UInt8 = 0
      // Safe: libpcap reads no further than the header's caplen says.
      guard let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
        return unsafe functions.offlineFilter(program, &header, &none) != 0
      }
      return unsafe functions.offlineFilter(program, &header, start) != 0
    }
  }
#endif
