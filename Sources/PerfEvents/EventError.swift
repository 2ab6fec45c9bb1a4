/// Why an event's name, as it was written, is none.
package struct EventError: Error, Equatable {
  /// The part that is not understood.
  package let text: String
  package let reason: String

  /// `text` is refused for `reason`.
  package init(_ text: String, _ reason: String) {
    self.text = text
    self.reason = reason
  }
}
