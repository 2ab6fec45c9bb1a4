#if Pfm
  import CPfm
  import Glibc
  import LinuxSystem
  import PerfEvents
  import Testing

  @testable import LinuxSystem

  /// Vendors' names against the codes that libpfm4 itself gives without an operating system.
  @Suite struct VendorEventTests {
    private typealias Encode =
      @convention(c) (UnsafePointer<CChar>?, Int32, pfm_os_t, UnsafeMutableRawPointer?) -> Int32

    /// Bits of the event-select register that perf sets by itself: user, kernel, interrupt, enable.
    private static let ownBits: UInt64 = 0x53_0000

    private func code(_ name: String, _ library: DynamicLibrary) throws -> UInt64? {
      let encode = unsafe try #require(
        unsafe library.function("pfm_get_os_event_encoding", as: Encode.self))
      var argument = unsafe pfm_pmu_encode_arg_t()
      unsafe argument.size = MemoryLayout<pfm_pmu_encode_arg_t>.size
      let result = unsafe withUnsafeMutablePointer(to: &argument) {
        unsafe encode(name, Int32(PFM_PLM0 | PFM_PLM3), PFM_OS_NONE, UnsafeMutableRawPointer($0))
      }
      guard result == PFM_SUCCESS, unsafe argument.count > 0 else { return nil }
      defer { unsafe free(argument.codes) }
      return unsafe argument.codes[0] & ~Self.ownBits
    }

    /// Names as Intel and AMD publish them, with a point before the unit mask.
    @Test(arguments: [
      (
        "skl",
        [
          "MEM_LOAD_RETIRED.L1_HIT", "MEM_LOAD_RETIRED.L1_MISS", "MEM_LOAD_RETIRED.L2_HIT",
          "MEM_LOAD_RETIRED.L2_MISS", "MEM_LOAD_RETIRED.L3_HIT", "MEM_LOAD_RETIRED.L3_MISS",
          "MEM_LOAD_RETIRED.HIT_LFB", "MEM_INST_RETIRED.ALL_LOADS", "MEM_INST_RETIRED.ALL_STORES",
          "MEM_INST_RETIRED.STLB_MISS_LOADS", "INST_RETIRED.ANY_P", "BR_INST_RETIRED.CONDITIONAL",
          "BR_INST_RETIRED.NEAR_CALL", "BR_MISP_RETIRED.CONDITIONAL", "UOPS_ISSUED.ANY",
          "UOPS_RETIRED.RETIRE_SLOTS", "UOPS_EXECUTED.THREAD", "L2_RQSTS.MISS",
          "L2_RQSTS.ALL_DEMAND_DATA_RD", "DTLB_LOAD_MISSES.WALK_COMPLETED",
          "ITLB_MISSES.WALK_COMPLETED", "LD_BLOCKS.STORE_FORWARD", "RESOURCE_STALLS.SB",
          "MACHINE_CLEARS.COUNT",
        ]
      ),
      (
        "icx",
        [
          "TOPDOWN.SLOTS", "TOPDOWN.BACKEND_BOUND_SLOTS", "MEM_LOAD_RETIRED.L3_MISS",
          "MEM_LOAD_RETIRED.L2_MISS", "MEM_LOAD_RETIRED.L1_MISS", "MEM_INST_RETIRED.ALL_LOADS",
          "MEM_INST_RETIRED.ALL_STORES", "INST_RETIRED.ANY_P", "BR_INST_RETIRED.NEAR_CALL",
          "BR_MISP_RETIRED.ALL_BRANCHES", "UOPS_ISSUED.ANY", "L2_RQSTS.ALL_DEMAND_MISS",
          "DTLB_LOAD_MISSES.WALK_COMPLETED", "DTLB_STORE_MISSES.WALK_COMPLETED",
          "ITLB_MISSES.WALK_COMPLETED", "MACHINE_CLEARS.COUNT", "CPU_CLK_UNHALTED.THREAD_P",
          "LD_BLOCKS.STORE_FORWARD",
        ]
      ),
      (
        "amd64_fam19h_zen3",
        [
          "RETIRED_INSTRUCTIONS", "RETIRED_BRANCH_INSTRUCTIONS",
          "RETIRED_TAKEN_BRANCH_INSTRUCTIONS",
          "RETIRED_BRANCH_INSTRUCTIONS_MISPREDICTED", "RETIRED_OPS", "CYCLES_NOT_IN_HALT",
          "RETIRED_FAR_CONTROL_TRANSFERS", "RETIRED_CONDITIONAL_BRANCH_INSTRUCTIONS",
          "RETIRED_NEAR_RETURNS", "RETIRED_CLFLUSH_INSTRUCTIONS", "RETIRED_CPUID_INSTRUCTIONS",
          "RETIRED_FUSED_INSTRUCTIONS", "RETIRED_INDIRECT_BRANCH_INSTRUCTIONS_MISPREDICTED",
          "RETIRED_NEAR_RETURNS_MISPREDICTED", "DIV_CYCLES_BUSY_COUNT", "DIV_OP_COUNT",
        ]
      ),
    ]) func namesAreEncodedAsTheLibraryDoes(_ unit: String, _ names: [String]) throws {
      guard let library = DynamicLibrary("libpfm.so.4") else {
        try Test.cancel("libpfm4 is not installed")
      }
      guard unsafe getenv("LIBPFM_ENCODE_INACTIVE") != nil else {
        print(
          "skipped: make test sets LIBPFM_ENCODE_INACTIVE, by which any processor's are encoded")
        return
      }
      let resolver = EventResolver(EventSources(MountRoots()))
      var compared = 0
      for name in names {
        let event = try resolver.events("\(unit)::\(name):u")
        let attributes = try #require(event.first?.attributes)
        let expected = try #require(
          try code("\(unit)::\(name)", library), "\(name) is none of \(unit)")
        #expect(attributes.type == 4 && attributes.config == expected, "\(name)")
        #expect(
          attributes.flags.contains(.excludeKernel) && event.first?.name == "\(unit)::\(name):u")
        compared += 1
      }
      #expect(compared >= 16)
    }

    @Test func aNameThatTheProcessorDoesNotHaveIsUnknown() {
      let resolver = EventResolver(EventSources(MountRoots()))
      #expect {
        _ = try resolver.events("skl::NO_SUCH.EVENT")
      } throws: {
        ($0 as? EventError)?.isUnknownName == true
      }
    }
  }
#endif
