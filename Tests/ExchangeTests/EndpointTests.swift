import LinuxSystem
import SampleModel
import Testing

@testable import Exchange

/// What is negotiated with a client, and what is taken for a request.
@Suite struct EndpointTests {
  @Test(
    arguments: [
      (nil, "text/plain; version=0.0.4; charset=utf-8"),
      ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
      ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4; charset=utf-8"),
      // Prometheus 2.42.
      (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
          + "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
      ),
      // Prometheus 3.
      (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
          + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
          + "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
      ),
      (
        "text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.8",
        "text/plain; version=0.0.4; charset=utf-8"
      ),
      ("application/openmetrics-text;version=2.0.0", "text/plain; version=0.0.4; charset=utf-8"),
      (
        "application/openmetrics-text; version=\"0.0.1\"",
        "application/openmetrics-text; version=0.0.1; charset=utf-8"
      ),
      ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"),
      ("application/openmetrics-text;q=x,;;,=", "text/plain; version=0.0.4; charset=utf-8"),
    ] as [(String?, String)])
  func theFavouriteIsServed(_ accept: String?, _ type: String) {
    #expect(Negotiation(accept: accept).contentType == type)
  }

  private func read(_ text: String) -> HTTPRequest.Reading { HTTPRequest.read(Array(text.utf8)) }

  @Test func requestsAreRead() throws {
    guard
      case .request(let request) = read(
        "GET /metrics?name=x HTTP/1.1\r\nHost: a\r\nACCEPT:  text/plain \r\nAccept: b\r\n\r\nrest")
    else {
      Issue.record("no request")
      return
    }
    #expect(request.method == "GET" && request.path == "/metrics" && request["host"] == "a")
    #expect(request["accept"] == "text/plain ,b" && request["x"] == nil)
    #expect(read("GET / HTTP/1.0\n\n") != .malformed)
  }

  @Test(arguments: [
    "\u{16}\u{3}\u{1}", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "get / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n: a\r\n\r\n",
    "GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 65) + "\r\n",
  ])
  func whatIsNoRequestIsRefused(_ text: String) { #expect(read(text) == .malformed) }

  @Test(arguments: ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n"])
  func thePartOfARequestIsWaitedFor(_ text: String) { #expect(read(text) == .incomplete) }

  @Test func addressesAreRead() throws {
    #expect(try ListenAddress.read("127.0.0.1:9752") == .tcp("127.0.0.1", 9752))
    #expect(try ListenAddress.read("localhost:0") == .tcp("127.0.0.1", 0))
    #expect(try ListenAddress.read("[::1]:80") == .tcp("::1", 80))
    #expect(try ListenAddress.read("unix:a:b") == .unix("a:b"))
    for text in [
      "", "9752", ":9752", "127.0.0.1", "127.0.0.1:", "a:65536", "::1:80", "unix:", "a:+1",
    ] {
      #expect(throws: LBError.self) { try ListenAddress.read(text) }
    }
    #expect(ListenAddress.isLocal(.tcp("127.0.0.9", 1)) && ListenAddress.isLocal(.unix("x")))
    #expect(!ListenAddress.isLocal(.tcp("0.0.0.0", 1)) && !ListenAddress.isLocal(.tcp("::", 1)))
  }
}
