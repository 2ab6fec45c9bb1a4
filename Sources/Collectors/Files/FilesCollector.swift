import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// Open files, inodes and directory entries of the host, from /proc/sys/fs:
///
/// ```
/// 305	0	2466186
/// ```
/// Documentation/admin-guide/sysctl/fs.rst. Minimum kernel 2.6. Privilege: none. Cost: three preads
/// of 0.4 µs. Limits: does not show their owners.
struct FilesCollector: TextCollector {
  private static let rows = [
    (
      "file-nr",
      [
        ("file_allocated", "open files"), ("file_unused", "always zero since 2.6"),
        ("file_maximum", "limit of open files; absent: none"),
      ]
    ),
    (
      "inode-state",
      [
        ("inodes", "inodes in memory"), ("inodes_free", "of these, not in use"),
        ("inodes_preshrink", "whether the table is full"),
      ]
    ),
    (
      "dentry-state",
      [
        ("dentries", "directory entries in memory"), ("dentries_unused", "of these, not in use"),
        ("dentries_age_limit", "seconds until an unused entry may be reclaimed"),
        ("dentries_want_pages", "pages asked for"),
        ("dentries_negative", "unused entries of names that do not exist (4.20)"),
      ]
    ),
  ]

  let description = CollectorDescription(
    name: "files", summary: "open files, inodes and directory entries of the host",
    source: "proc/sys/fs/{file-nr,inode-state,dentry-state}", minimumKernel: "2.6",
    privilege: "none", cost: .cheap, pace: .slow, systemCallsPerSample: 3,
    metrics: rows.flatMap { row in row.1.map { gauge($0.0, $0.1, host: true) } })

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    Self.rows.map { file, names in
      TextSource(context.roots.proc("sys/fs/\(file)")) { text throws(KernelTextError) in
        try TextFormat.row(text, names.map(\.0), limit: "file_maximum")
      }
    }
  }
}
