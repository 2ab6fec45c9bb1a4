/// An answer: its head, and a body that many connections share.
struct HTTPAnswer {
  let status: Int
  let head: [UInt8]
  let body: [UInt8]

  private static let reasons = [
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 431: "Request Header Fields Too Large",
    503: "Service Unavailable",
  ]

  /// An answer after which the connection ends; of one to HEAD (`isHead`) only the head is sent.
  init(
    _ status: Int, type: String = "text/plain; charset=utf-8", fields: [String] = [],
    body: [UInt8], isHead: Bool = false
  ) {
    self.status = status
    let lines =
      [
        "HTTP/1.1 \(status) \(Self.reasons[status] ?? "Error")", "Content-Type: \(type)",
        "Content-Length: \(body.count)", "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff", "Connection: close",
      ] + fields
    head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    self.body = isHead ? [] : body
  }

  /// An answer of one line.
  init(_ status: Int, _ text: String, fields: [String] = [], isHead: Bool = false) {
    self.init(status, fields: fields, body: Array((text + "\n").utf8), isHead: isHead)
  }
}
