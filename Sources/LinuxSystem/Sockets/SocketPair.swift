import Glibc

/// Two connected stream sockets, closed on exec: unlike a pipe, they can be written without
/// SIGPIPE.
struct SocketPair: ~Copyable {
  /// The end of this process.
  var ours: OwnedDescriptor
  /// The end of the child.
  var theirs: OwnedDescriptor

  /// A new pair.
  init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw SystemError("socketpair", errno: errno)
    }
    ours = OwnedDescriptor(owning: ends[0])
    theirs = OwnedDescriptor(owning: ends[1])
  }
}
