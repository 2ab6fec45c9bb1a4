/// /proc/net/rpc/nfs and nfsd (net/sunrpc/stats.c, fs/nfsd/stats.c).
extension TextFormat {
  /// Procedures of NFS version 3 by number (RFC 1813).
  static let version3 = [
    "null", "getattr", "setattr", "lookup", "access", "readlink", "read", "write", "create",
    "mkdir", "symlink", "mknod", "remove", "rmdir", "rename", "link", "readdir", "readdirplus",
    "fsstat", "fsinfo", "pathconf", "commit",
  ]

  /// The client's version 4 procedures in the order of fs/nfs/nfs4xdr.c, as of Linux 4.13; later
  /// ones are named by number.
  static let version4 = [
    "null", "read", "write", "commit", "open", "open_confirm", "open_noattr", "open_downgrade",
    "close", "setattr", "fsinfo", "renew", "setclientid", "setclientid_confirm", "lock", "lockt",
    "locku", "access", "getattr", "lookup", "lookup_root", "remove", "rename", "link", "symlink",
    "create", "pathconf", "statfs", "readlink", "readdir", "server_caps", "delegreturn", "getacl",
    "setacl", "fs_locations", "release_lockowner", "secinfo", "fsid_present", "exchange_id",
    "create_session", "destroy_session", "sequence", "get_lease_time", "reclaim_complete",
    "layoutget", "getdeviceinfo", "layoutcommit", "layoutreturn", "secinfo_no_name",
    "test_stateid", "free_stateid", "getdevicelist", "bind_conn_to_session", "destroy_clientid",
    "seek", "allocate", "deallocate", "layoutstats", "clone",
  ]

  /// The server's version 4 operations by number (RFC 7530, 8881, 7862, 8276); the first three
  /// numbers are unused.
  static let operations4 = [
    "", "", "", "access", "close", "commit", "create", "delegpurge", "delegreturn", "getattr",
    "getfh", "link", "lock", "lockt", "locku", "lookup", "lookupp", "nverify", "open", "openattr",
    "open_confirm", "open_downgrade", "putfh", "putpubfh", "putrootfh", "read", "readdir",
    "readlink", "remove", "rename", "renew", "restorefh", "savefh", "secinfo", "setattr",
    "setclientid", "setclientid_confirm", "verify", "write", "release_lockowner",
    "backchannel_ctl", "bind_conn_to_session", "exchange_id", "create_session", "destroy_session",
    "free_stateid", "get_dir_delegation", "getdeviceinfo", "getdevicelist", "layoutcommit",
    "layoutget", "layoutreturn", "secinfo_no_name", "sequence", "set_ssv", "test_stateid",
    "want_delegation", "destroy_clientid", "reclaim_complete", "allocate", "copy", "copy_notify",
    "deallocate", "io_advise", "layouterror", "layoutstats", "offload_cancel", "offload_status",
    "read_plus", "seek", "write_same", "clone", "getxattr", "setxattr", "listxattrs",
    "removexattr",
  ]

  /// `rpc 12034 2 12034` and the like by `named` lines, and `proc3 22 0 71 …`, which begins with
  /// the number of procedures. Unknown lines are skipped.
  package static func remoteCalls(
    _ text: KernelText, _ named: [String: [String]], of instance: String
  ) throws(KernelTextError) -> [Placeholder] {
    let procedures = [
      "proc3": ("v3.", version3), "proc4": ("v4.", version4), "proc4ops": ("v4.", operations4),
    ]
    var placeholders = PlaceholderList(text)
    for line in text.lines() {
      let label = line.words.first.map(text.string) ?? ""
      // The server's proc4 has only null and compound.
      let isCompound = label == "proc4" && line.words.count <= 4
      var names = isCompound ? ["v4.null", "v4.compound"] : named[label] ?? []
      var first = 1
      if let (prefix, known) = procedures[label] {
        first = 2
        if !isCompound {
          names = (0..<max(known.count, line.words.count - 2)).map { number in
            number < known.count
              ? (known[number].isEmpty ? "" : prefix + known[number]) : "\(prefix)op\(number)"
          }
        }
      }
      guard !names.isEmpty else {
        placeholders.skipRest(line)
        continue
      }
      // The number of fields differs by version.
      placeholders.columns(line, from: first, names, of: instance, least: 1)
    }
    return try placeholders.finished()
  }
}
