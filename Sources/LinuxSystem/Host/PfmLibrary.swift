#if Pfm
  import CPfm
#endif

/// Events by the vendors' names, such as `MEM_LOAD_RETIRED.L3_MISS`: from libpfm4, if lbsample was
/// built with the trait Pfm and the library is installed.
package enum PfmLibrary {
  #if Pfm
    @safe
    private struct Functions: Sendable {
      typealias Encode =
        @convention(c) (UnsafePointer<CChar>?, Int32, pfm_os_t, UnsafeMutableRawPointer?) -> Int32
      typealias UnitInfo =
        @convention(c) (pfm_pmu_t, UnsafeMutablePointer<pfm_pmu_info_t>?) -> Int32
      typealias EventInfo =
        @convention(c) (Int32, pfm_os_t, UnsafeMutablePointer<pfm_event_info_t>?) -> Int32
      typealias Next = @convention(c) (Int32) -> Int32
      let encode: Encode
      let unitInfo: UnitInfo
      let eventInfo: EventInfo
      let next: Next
    }

    private static let functions: Functions? = {
      typealias Initialize = @convention(c) () -> Int32
      guard let library = DynamicLibrary("libpfm.so.4"),
        let initialize = library.function("pfm_initialize", as: Initialize.self),
        let encode = unsafe library.function(
          "pfm_get_os_event_encoding", as: Functions.Encode.self),
        let unitInfo = unsafe library.function("pfm_get_pmu_info", as: Functions.UnitInfo.self),
        let eventInfo = unsafe library.function(
          "pfm_get_event_info", as: Functions.EventInfo.self),
        let next = library.function("pfm_get_event_next", as: Functions.Next.self),
        initialize() == PFM_SUCCESS
      else { return nil }
      return unsafe Functions(
        encode: encode, unitInfo: unitInfo, eventInfo: eventInfo, next: next)
    }()
  #endif

  /// The attributes of the vendor's event `name`, nil if this processor has no such event.
  package static func attributes(ofEvent name: String) -> PerfEventAttributes? {
    #if Pfm
      guard let functions else { return nil }
      var attribute = perf_event_attr()
      var result: Int32 = -1
      // Safe: both structures outlive the call, and their sizes are passed.
      unsafe withUnsafeMutablePointer(to: &attribute) { attribute in
        var argument = unsafe pfm_perf_encode_arg_t()
        unsafe argument.attr = attribute
        unsafe argument.size = MemoryLayout<pfm_perf_encode_arg_t>.size
        unsafe withUnsafeMutablePointer(to: &argument) {
          result = unsafe functions.encode(
            name, Int32(PFM_PLM0 | PFM_PLM3), PFM_OS_PERF_EVENT, UnsafeMutableRawPointer($0))
        }
      }
      guard result == PFM_SUCCESS else { return nil }
      var attributes = PerfEventAttributes(type: attribute.type, config: attribute.config)
      attributes.config1 = attribute.config1
      attributes.config2 = attribute.config2
      return attributes
    #else
      return nil
    #endif
  }

  /// The names of this processor's events, without their unit masks.
  package static var names: [String] {
    #if Pfm
      guard let functions else { return [] }
      var names: [String] = []
      for number in 0..<Int32(PFM_PMU_MAX.rawValue) {
        var unit = unsafe pfm_pmu_info_t()
        unsafe unit.size = MemoryLayout<pfm_pmu_info_t>.size
        // Safe: the structure outlives the call, and its size is passed.
        guard
          unsafe functions.unitInfo(pfm_pmu_t(rawValue: UInt32(number)), &unit)
            == PFM_SUCCESS, unsafe unit.is_present != 0,
          unsafe unit.type == PFM_PMU_TYPE_CORE
        else { continue }
        var event = unsafe unit.first_event
        while event != -1 {
          var info = unsafe pfm_event_info_t()
          unsafe info.size = MemoryLayout<pfm_event_info_t>.size
          if unsafe functions.eventInfo(event, PFM_OS_PERF_EVENT, &info) == PFM_SUCCESS,
            let name = unsafe info.name
          {
            unsafe names.append(String(cString: name))
          }
          event = functions.next(event)
        }
      }
      return names.sorted()
    #else
      return []
    #endif
  }
}
