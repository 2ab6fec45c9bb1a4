import Glibc

/// A shared library, opened when first needed: other runs do not pay for its start-up, and a host
/// without it loses only its features.
@safe
package struct DynamicLibrary: @unchecked Sendable {
  // Sendable: dlsym is thread-safe and the handle is never closed.
  private let handle: UnsafeMutableRawPointer

  /// Opens `name`, nil when the host does not have it.
  package init?(_ name: String) {
    guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else { return nil }
    unsafe self.handle = handle
  }

  /// The function `name` as `type`, which the caller takes from the library's own header.
  package func function<T>(_ name: String, as type: T.Type) -> T? {
    guard let symbol = unsafe dlsym(handle, name) else { return nil }
    // Safe: the caller's type is the declared one of that symbol.
    return unsafe unsafeBitCast(symbol, to: type)
  }
}
