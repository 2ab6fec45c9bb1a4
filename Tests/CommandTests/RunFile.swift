import RunStore

/// A result file's own check of itself.
struct RunFile {
  private let reader: RunReader

  init(_ path: String) throws { reader = try RunReader(path: path) }

  func integrity() throws -> String {
    defer { reader.close() }
    return try reader.integrity()
  }
}
