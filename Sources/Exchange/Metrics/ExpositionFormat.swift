/// The text formats that are written.
package enum ExpositionFormat: Sendable, Hashable {
  /// Prometheus' text format 0.0.4.
  case text
  /// OpenMetrics 1.0.0.
  case openMetrics

  /// The media type of an HTTP answer.
  package var contentType: String {
    switch self {
    case .text: "text/plain; version=0.0.4; charset=utf-8"
    case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }
  }
}
