/// Why an event's name is invalid.
package struct EventError: Error, Equatable {
  /// The invalid part.
  package let text: String
  package let reason: String
  /// It is well formed, but there is no such event on this host.
  package let isUnknownName: Bool
  /// Whether the event exists cannot be determined on this host, e.g. without tracefs.
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
