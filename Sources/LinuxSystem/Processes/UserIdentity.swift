import Glibc
import SampleModel

/// A user to run a workload as, with all its groups.
package struct UserIdentity: Sendable, Hashable {
  package let name: String
  package let uid: UInt32
  package let gid: UInt32
  package let groups: [UInt32]
  package let home: String

  /// The user that this process is.
  package static var own: UInt32 { getuid() }

  /// The user called `name` (or with that number), nil when the host has none.
  package init?(named name: String) {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 1 << 14)
    // Safe: the buffer's own length bounds the calls.
    if let uid = uid_t(name) {
      unsafe getpwuid_r(uid, &entry, &buffer, buffer.count, &found)
    } else {
      unsafe getpwnam_r(name.osCString, &entry, &buffer, buffer.count, &found)
    }
    guard unsafe found != nil else { return nil }
    self.name = unsafe OSText.string(cString: entry.pw_name)
    home = unsafe OSText.string(cString: entry.pw_dir)
    uid = unsafe entry.pw_uid
    gid = unsafe entry.pw_gid
    var count: Int32 = 256
    var groups = [gid_t](repeating: 0, count: Int(count))
    let result = unsafe getgrouplist(entry.pw_name, entry.pw_gid, &groups, &count)
    self.groups = result < 0 ? [unsafe entry.pw_gid] : Array(groups.prefix(Int(count)))
  }
}
