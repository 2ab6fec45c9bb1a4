package import LinuxSystem
package import SampleModel

/// What `--listen` names: `127.0.0.1:9752`, `[::1]:9752`, `localhost:9752`, `unix:PATH`.
package enum ListenAddress {
  /// The address of a text; throws `configuration` where it is none.
  package static func read(_ text: String) throws(LBError) -> ListeningSocket.Address {
    if text.begins("unix:") {
      let path = String(text.dropFirst(5))
      if !path.isEmpty { return .unix(path) }
    } else if let colon = text.unicodeScalars.lastIndex(of: ":") {
      let port = text[text.unicodeScalars.index(after: colon)...]
      var host = String(text[..<colon])
      if host.begins("["), host.hasSuffix("]") {
        host = String(host.dropFirst().dropLast())
      } else if host.has(":") {
        // An IPv6 address without brackets may end with its own number.
        host = ""
      }
      if let number = UInt16(port), port.utf8.allSatisfy({ $0 &- 48 < 10 }), !host.isEmpty {
        return .tcp(host == "localhost" ? "127.0.0.1" : host, number)
      }
    }
    throw LBError(
      .configuration,
      "--listen \(text): expected ADDRESS:PORT such as 127.0.0.1:9752 or [::1]:9752, or unix:PATH")
  }

  /// Whether only this host reaches the address.
  package static func isLocal(_ address: ListeningSocket.Address) -> Bool {
    switch address {
    case .unix: true
    case .tcp(let host, _): host == "::1" || host.begins("127.")
    }
  }

  /// The address as a user can use it.
  package static func text(_ address: ListeningSocket.Address) -> String {
    switch address {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): "http://\(host.has(":") ? "[\(host)]" : host):\(port)/metrics"
    }
  }
}
