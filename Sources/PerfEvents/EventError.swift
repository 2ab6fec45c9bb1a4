/// Why an event's name, as it was written, is none.
package struct EventError: Error, Equatable {
  /// The part that is not understood.
  package let text: String
  package let reason: String
  /// It is well formed, and nothing here is called so.
  package let isUnknownName: Bool
  /// Whether there is such an event cannot be seen here, as without tracefs.
  package let isHidden: Bool

  /// `text` is refused for `reason`.
  package init(
    _ text: String, _ reason: String, isUnknownName: Bool = false, isHidden: Bool = false
  ) {
    self.isHidden = isHidden
    self.isUnknownName = isUnknownName
    self.text = text
    self.reason = reason
  }
}
