import LinuxSystem

/// Pages through which counters are read without a call, laid out as struct perf_event_mmap_page.
extension SimulatedPerf {
  private static let pageBytes = 128
  /// Where the counter stood when its event was given it: below zero, as the kernel sets it.
  private static let start: UInt64 = 1 << 31

  /// A page of an event that a counter of the reader's CPU can hold.
  package func map(_ descriptor: Int32) -> UnsafeMutableRawPointer? {
    let address = withState { state -> UInt in
      guard let event = state.events[descriptor], event.cpu == cpu,
        event.attributes.type != Self.softwareType
      else { return 0 }
      let page = UnsafeMutableRawPointer.allocate(byteCount: Self.pageBytes, alignment: 8)
      _ = unsafe page.initializeMemory(as: UInt8.self, repeating: 0, count: Self.pageBytes)
      unsafe page.storeBytes(of: 4 | 8, toByteOffset: 40, as: UInt64.self)
      unsafe page.storeBytes(of: width, toByteOffset: 48, as: UInt16.self)
      unsafe page.storeBytes(of: 1, toByteOffset: 52, as: UInt32.self)
      let address = UInt(bitPattern: page)
      state.pages[descriptor] = address
      return address
    }
    return unsafe UnsafeMutableRawPointer(bitPattern: address)
  }

  /// Gives a page back.
  package func unmap(_ page: UnsafeMutableRawPointer) {
    let address = UInt(bitPattern: page)
    withState { state in
      state.pages = state.pages.filter { $0.value != address }
    }
    unsafe page.deallocate()
  }

  /// The low bits of a counter.
  package func counter(_ index: UInt32) -> UInt64 {
    withState { state in
      let count = state.events[Int32(index)]?.count ?? 0
      return (count &- Self.start) & ((1 << UInt64(width)) &- 1)
    }
  }

  /// Nanoseconds that have passed. Brings the pages up to date, as the kernel does when it gives
  /// and takes counters; or lets the reader find them being written.
  package func cycles() -> UInt64 {
    withState { state in
      for (descriptor, address) in state.pages {
        guard let page = unsafe UnsafeMutableRawPointer(bitPattern: address),
          let event = state.events[descriptor]
        else { continue }
        let fresh = Self.fields(of: event, descriptor, now: state.now)
        let old = unsafe Fields(
          index: page.load(fromByteOffset: 12, as: UInt32.self),
          offset: page.load(fromByteOffset: 16, as: UInt64.self),
          enabled: page.load(fromByteOffset: 24, as: UInt64.self),
          running: page.load(fromByteOffset: 32, as: UInt64.self))
        guard fresh != old || state.tornReads > 0 else { continue }
        unsafe page.storeBytes(of: fresh.index, toByteOffset: 12, as: UInt32.self)
        unsafe page.storeBytes(of: fresh.offset, toByteOffset: 16, as: UInt64.self)
        unsafe page.storeBytes(of: fresh.enabled, toByteOffset: 24, as: UInt64.self)
        unsafe page.storeBytes(of: fresh.running, toByteOffset: 32, as: UInt64.self)
        let lock = unsafe page.load(fromByteOffset: 8, as: UInt32.self)
        unsafe page.storeBytes(of: lock &+ 2, toByteOffset: 8, as: UInt32.self)
      }
      state.tornReads = max(0, state.tornReads - 1)
      return state.now
    }
  }

  private struct Fields: Equatable {
    let index: UInt32
    let offset: UInt64
    let enabled: UInt64
    let running: UInt64
  }

  private static func fields(of event: Event, _ descriptor: Int32, now: UInt64) -> Fields {
    guard event.isCountingNow else {
      return Fields(
        index: 0, offset: event.count, enabled: event.enabled &- now, running: event.running)
    }
    return Fields(
      index: UInt32(descriptor) + 1, offset: start, enabled: event.enabled &- now,
      running: event.running &- now)
  }

  /// Where the reader runs.
  package func currentCPU() -> Int32 { cpu }
}
