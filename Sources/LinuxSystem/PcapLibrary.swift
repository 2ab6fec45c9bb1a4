import Glibc

#if Pcap
  import CPcap
#endif

/// What is asked of libpcap.
package enum PcapLibrary {
  /// The library's own version line, or why there is none.
  package static func version() -> Result<String, SystemError> {
    #if Pcap
      typealias Version = @convention(c) () -> UnsafePointer<CChar>?
      guard let library = DynamicLibrary("libpcap.so.0.8") ?? DynamicLibrary("libpcap.so.1"),
        let version = unsafe library.function("pcap_lib_version", as: Version.self),
        let text = unsafe version()
      else { return .failure(SystemError("dlopen", errno: ENOENT, path: "libpcap.so")) }
      return unsafe .success(String(cString: text))
    #else
      return .failure(SystemError("built without the Pcap trait", errno: ENOSYS))
    #endif
  }

  /// Whether a packet socket may be opened here: nil, or the errno.
  package static func captureRefusal() -> Int32? {
    let socket = Glibc.socket(AF_PACKET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return errno }
    close(socket)
    return nil
  }
}
