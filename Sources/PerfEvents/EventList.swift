/// A list of events in perf's syntax, split into groups and names: `a,{b,c}:u,pmu/x,y/k`.
package struct EventList: Sendable, Equatable {
  /// Events that are scheduled together.
  package struct Group: Sendable, Equatable {
    package var names: [String] = []
    /// Modifiers of the whole group.
    package var modifiers = ""
    /// Whether it was written in braces.
    package var isExplicit = false

    /// Its text.
    package var text: String {
      let list = names.joined(separator: ",")
      return isExplicit ? "{\(list)}" + (modifiers.isEmpty ? "" : ":\(modifiers)") : list
    }
  }

  package let groups: [Group]

  /// Parses `text`; throws if it is unbalanced or empty.
  package init(_ text: String) throws(EventError) {
    var groups: [Group] = []
    var open: Group?
    var rest = Substring(text)
    while !rest.isEmpty {
      if rest.first == "{" {
        guard open == nil else { throw EventError(text, "a group cannot hold another one") }
        open = Group(isExplicit: true)
        rest.removeFirst()
        continue
      }
      let name = try Self.name(&rest, of: text)
      let isEnd = rest.first == "}"
      if var group = open {
        group.names.append(name)
        open = group
      } else {
        groups.append(Group(names: [name]))
      }
      if isEnd {
        guard var group = open else { throw EventError(text, "a } has no { before it") }
        rest.removeFirst()
        if rest.first == ":" {
          rest.removeFirst()
          let letters = rest.prefix { $0 != "," }
          group.modifiers = String(letters)
          rest.removeFirst(letters.count)
        }
        groups.append(group)
        open = nil
      }
      guard let next = rest.first else { break }
      guard next == ",", rest.count > 1 else {
        throw EventError(text, "a comma and another event was expected before \(rest)")
      }
      rest.removeFirst()
    }
    guard open == nil else { throw EventError(text, "a { has no closing }") }
    guard !groups.isEmpty else { throw EventError(text, "no event is named") }
    self.groups = groups
  }

  /// Parses one name with its modifiers. Commas between the slashes of a PMU's event belong to it.
  private static func name(_ rest: inout Substring, of text: String) throws(EventError) -> String {
    var name = ""
    var isInside = false
    let isBreakpoint = rest.hasPrefix("mem:")
    while let next = rest.first {
      if !isInside, next == "," || next == "}" { break }
      if !isInside, next == "{" { throw EventError(text, "a group must follow a comma") }
      if next == "/", !isBreakpoint { isInside.toggle() }
      name.append(next)
      rest.removeFirst()
    }
    guard !isInside else { throw EventError(name, "a / has no closing /") }
    guard !name.isEmpty else { throw EventError(text, "an event has no name") }
    return name
  }
}
