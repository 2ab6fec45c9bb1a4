import Glibc

/// The compressor of libzstd, opened when first needed.
package enum ZstdLibrary {
  @safe
  fileprivate struct Functions: Sendable {
    typealias Make = @convention(c) () -> OpaquePointer?
    typealias Free = @convention(c) (OpaquePointer?) -> Int
    typealias Bound = @convention(c) (Int) -> Int
    typealias Compress =
      @convention(c) (
        OpaquePointer?, UnsafeMutableRawPointer?, Int, UnsafeRawPointer?, Int, Int32
      ) -> Int
    typealias IsError = @convention(c) (Int) -> UInt32

    let make: Make
    let free: Free
    let bound: Bound
    let compress: Compress
    let isError: IsError
  }

  fileprivate static let functions: Functions? = {
    guard let library = DynamicLibrary("libzstd.so.1"),
      let make = unsafe library.function("ZSTD_createCCtx", as: Functions.Make.self),
      let free = unsafe library.function("ZSTD_freeCCtx", as: Functions.Free.self),
      let bound = library.function("ZSTD_compressBound", as: Functions.Bound.self),
      let compress = unsafe library.function("ZSTD_compressCCtx", as: Functions.Compress.self),
      let isError = library.function("ZSTD_isError", as: Functions.IsError.self)
    else { return nil }
    return unsafe Functions(
      make: make, free: free, bound: bound, compress: compress, isError: isError)
  }()

  /// Whether this host has the library.
  package static var isAvailable: Bool { functions != nil }
}

/// Compresses with libzstd, each text into a frame of its own (RFC 8878).
@safe
package final class ZstdCompressor {
  private let functions: ZstdLibrary.Functions
  private let context: OpaquePointer
  private let level: Int32
  private var room: [UInt8] = []

  /// A compressor of a level from 1 (fast) to 19; nil where the library is not installed.
  package init?(level: Int32 = 3) {
    guard let functions = ZstdLibrary.functions, let context = unsafe functions.make() else {
      return nil
    }
    self.functions = functions
    unsafe self.context = context
    self.level = level
  }

  deinit { _ = unsafe functions.free(context) }

  /// Appends the frame of `bytes`; false if the library failed, which it says of lacking memory.
  package func append(_ bytes: [UInt8], to output: inout [UInt8]) -> Bool {
    let bound = functions.bound(bytes.count)
    if room.count < bound { room = [UInt8](repeating: 0, count: bound) }
    // Safe: both lengths are those of the arrays.
    let written = unsafe functions.compress(
      context, &room, room.count, bytes, bytes.count, level)
    guard functions.isError(written) == 0, written <= room.count else { return false }
    output += room[..<written]
    return true
  }
}
