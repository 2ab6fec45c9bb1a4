import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The kernel's object caches, from /proc/slabinfo:
///
/// ```
/// dentry 125850 127321 192 21 1 : tunables 0 0 0 : slabdata 6063 6063 0
/// ```
/// mm/slab_common.c, slabinfo(5). Minimum kernel 2.6. Privilege: root. Cost: hundreds of µs, with a
/// lock on each cache: read every ten seconds by default. Limits: does not show users. Merged
/// caches have one name.
struct SlabCollector: TextCollector {
  let description = CollectorDescription(
    name: "slab", summary: "the kernel's object caches", source: "proc/slabinfo",
    minimumKernel: "2.6", privilege: "root", cost: .heavy, systemCallsPerSample: 8,
    metrics: [
      gauge("active_objs", "objects in use"), gauge("num_objs", "objects there is room for"),
      gauge("objsize", "size of an object", unit: .bytes),
      gauge("objperslab", "objects of one slab"), gauge("pagesperslab", "pages of one slab"),
      gauge("active_slabs", "slabs with objects in use"), gauge("num_slabs", "slabs"),
      gauge("sharedavail", "objects in the shared cache (SLAB only)"),
    ])

  /// The collector.
  init() {}

  func sources(_ context: CollectorContext) -> [TextSource] {
    [
      TextSource(context.roots.proc("slabinfo"), delivery: .shortRecords) {
        text throws(KernelTextError) in
        try TextFormat.slabs(text)
      }
    ]
  }
}
