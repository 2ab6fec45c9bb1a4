import Glibc
package import LinuxSystem

#if Pcap
  import CPcap

  /// The used functions of libpcap, as declared by pcap(3PCAP).
  @safe
  struct PcapFunctions: Sendable {
    typealias Handle = OpaquePointer
    typealias Create =
      @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<CChar>?) -> Handle?
    typealias SetNumber = @convention(c) (Handle?, Int32) -> Int32
    typealias NumberOf = @convention(c) (UnsafePointer<CChar>?) -> Int32
    typealias Do = @convention(c) (Handle?) -> Int32
    typealias SetDirection = @convention(c) (Handle?, pcap_direction_t) -> Int32
    typealias Compile =
      @convention(c) (
        Handle?, UnsafeMutablePointer<bpf_program>?, UnsafePointer<CChar>?, Int32, UInt32
      ) -> Int32
    typealias SetFilter = @convention(c) (Handle?, UnsafeMutablePointer<bpf_program>?) -> Int32
    typealias FreeCode = @convention(c) (UnsafeMutablePointer<bpf_program>?) -> Void
    typealias SetNonBlocking =
      @convention(c) (
        Handle?, Int32, UnsafeMutablePointer<CChar>?
      ) -> Int32
    typealias Dispatch =
      @convention(c) (
        Handle?, Int32, pcap_handler?, UnsafeMutablePointer<UInt8>?
      ) -> Int32
    typealias Stats = @convention(c) (Handle?, UnsafeMutablePointer<pcap_stat>?) -> Int32
    typealias ErrorText = @convention(c) (Handle?) -> UnsafeMutablePointer<CChar>?
    typealias StatusText = @convention(c) (Int32) -> UnsafePointer<CChar>?
    typealias Close = @convention(c) (Handle?) -> Void
    typealias OpenDead = @convention(c) (Int32, Int32) -> Handle?
    typealias OfflineFilter =
      @convention(c) (
        UnsafePointer<bpf_program>?, UnsafePointer<pcap_pkthdr>?, UnsafePointer<UInt8>?
      ) -> Int32
    typealias Version = @convention(c) () -> UnsafePointer<CChar>?

    let create: Create
    let setSnapLength: SetNumber
    let setPromiscuous: SetNumber
    let setTimeout: SetNumber
    let setBufferSize: SetNumber
    let setPrecision: SetNumber
    let setTimestampType: SetNumber
    let timestampType: NumberOf
    let activate: Do
    let setDirection: SetDirection
    let compile: Compile
    let setFilter: SetFilter
    let freeCode: FreeCode
    let setNonBlocking: SetNonBlocking
    let descriptor: Do
    let dispatch: Dispatch
    let stats: Stats
    let linkType: Do
    let errorText: ErrorText
    let statusText: StatusText
    let close: Close
    let openDead: OpenDead
    let offlineFilter: OfflineFilter
    let version: Version

    /// The bytes of an error text: PCAP_ERRBUF_SIZE.
    static let errorSize = 256

    init?(_ library: DynamicLibrary) {
      // Safe: each type is that of the function's declaration in pcap.h.
      guard let create = unsafe library.function("pcap_create", as: Create.self),
        let setSnapLength = unsafe library.function("pcap_set_snaplen", as: SetNumber.self),
        let setPromiscuous = unsafe library.function("pcap_set_promisc", as: SetNumber.self),
        let setTimeout = unsafe library.function("pcap_set_timeout", as: SetNumber.self),
        let setBufferSize = unsafe library.function("pcap_set_buffer_size", as: SetNumber.self),
        let setPrecision = unsafe library.function("pcap_set_tstamp_precision", as: SetNumber.self),
        let setTimestampType = unsafe library.function("pcap_set_tstamp_type", as: SetNumber.self),
        let timestampType = unsafe library.function(
          "pcap_tstamp_type_name_to_val", as: NumberOf.self),
        let activate = unsafe library.function("pcap_activate", as: Do.self),
        let setDirection = unsafe library.function("pcap_setdirection", as: SetDirection.self),
        let compile = unsafe library.function("pcap_compile", as: Compile.self),
        let setFilter = unsafe library.function("pcap_setfilter", as: SetFilter.self),
        let freeCode = unsafe library.function("pcap_freecode", as: FreeCode.self),
        let setNonBlocking = unsafe library.function("pcap_setnonblock", as: SetNonBlocking.self),
        let descriptor = unsafe library.function("pcap_get_selectable_fd", as: Do.self),
        let dispatch = unsafe library.function("pcap_dispatch", as: Dispatch.self),
        let stats = unsafe library.function("pcap_stats", as: Stats.self),
        let linkType = unsafe library.function("pcap_datalink", as: Do.self),
        let errorText = unsafe library.function("pcap_geterr", as: ErrorText.self),
        let statusText = unsafe library.function("pcap_statustostr", as: StatusText.self),
        let close = unsafe library.function("pcap_close", as: Close.self),
        let openDead = unsafe library.function("pcap_open_dead", as: OpenDead.self),
        let offlineFilter = unsafe library.function("pcap_offline_filter", as: OfflineFilter.self),
        let version = unsafe library.function("pcap_lib_version", as: Version.self)
      else { return nil }
      unsafe self.create = create
      unsafe self.setSnapLength = setSnapLength
      unsafe self.setPromiscuous = setPromiscuous
      unsafe self.setTimeout = setTimeout
      unsafe self.setBufferSize = setBufferSize
      unsafe self.setPrecision = setPrecision
      unsafe self.setTimestampType = setTimestampType
      unsafe self.timestampType = timestampType
      unsafe self.activate = activate
      unsafe self.setDirection = setDirection
      unsafe self.compile = compile
      unsafe self.setFilter = setFilter
      unsafe self.freeCode = freeCode
      unsafe self.setNonBlocking = setNonBlocking
      unsafe self.descriptor = descriptor
      unsafe self.dispatch = dispatch
      unsafe self.stats = stats
      unsafe self.linkType = linkType
      unsafe self.errorText = errorText
      unsafe self.statusText = statusText
      unsafe self.close = close
      unsafe self.openDead = openDead
      unsafe self.offlineFilter = offlineFilter
      unsafe self.version = version
    }

    /// Why the last call on `handle` failed.
    func reason(_ handle: Handle) -> String {
      unsafe errorText(handle).map { unsafe String(cString: $0) } ?? "no reason given"
    }
  }
#endif

/// libpcap, opened when first needed, so that other runs do not pay for its start-up.
package enum PcapLibrary {
  #if Pcap
    static let functions: PcapFunctions? = {
      guard let library = DynamicLibrary("libpcap.so.0.8") ?? DynamicLibrary("libpcap.so.1")
      else { return nil }
      return PcapFunctions(library)
    }()
  #endif

  /// The library's version text, or why it is unavailable.
  package static func version() -> Result<String, SystemError> {
    #if Pcap
      guard let functions, let text = unsafe functions.version() else {
        return .failure(SystemError("dlopen", errno: ENOENT, path: "libpcap.so"))
      }
      return unsafe .success(String(cString: text))
    #else
      return .failure(SystemError("built without the Pcap trait", errno: ENOSYS))
    #endif
  }

  /// The errno of opening a packet socket, nil if permitted.
  package static func captureRefusal() -> Int32? {
    let socket = Glibc.socket(AF_PACKET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return errno }
    close(socket)
    return nil
  }
}
