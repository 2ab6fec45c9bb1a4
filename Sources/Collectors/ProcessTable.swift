import LinuxSystem

/// Counters of one process, or sums over several, one to a lane.
typealias ProcessCounters = SIMD16<UInt64>

/// The lanes of `ProcessCounters`.
enum CounterLane {
  static let cpu = 0
  static let user = 1
  static let system = 2
  static let guest = 3
  static let minorFaults = 4
  static let majorFaults = 5
  /// The seven of /proc/PID/io follow.
  static let io = 6
  static let readBytes = 10
  static let writeBytes = 11
}

/// One process of a tree, with its open files.
struct ProcessSlot {
  /// 0 when the slot is free.
  var pid: Int32 = 0
  var parent: Int32 = 0
  var stat: Int32 = -1
  var io: Int32 = -1
  var statm: Int32 = -1
  var children: Int32 = -1
  var descriptors: Int32 = -1
  var state: UInt8 = 0
  /// It has ended, or is about to.
  var isEnding = false
  /// Its fork event came: another one with its pid means that it has ended.
  var isAnnounced = false
  /// It was there before the tree was watched.
  var isOld = false
  /// It was found by walking /proc, and not looked at yet.
  var isByWalk = false
  /// A file of its was refused.
  var isDenied = false
  /// It was gone at the last reading, and its exit record has not come.
  var isMissing = false
  /// Its last exit record has come: what is still there is a zombie, or about to be one.
  var hasEnded = false
  /// What it had used is being counted elsewhere, since it leaves.
  var isLeaving = false
  /// It has changed since its last row.
  var isNews = true
  var command: (UInt64, UInt64) = (0, 0)
  var processor: UInt64 = 0
  var threads: UInt64 = 0
  var virtualSize: UInt64 = 0
  var residentPages: UInt64 = 0
  var sharedPages: UInt64 = 0
  var dataPages: UInt64 = 0
  var openFiles: UInt64 = 0
  /// As last read: its CPU time, and all else with that of the children which it has reaped.
  var now = ProcessCounters()
  /// As last read, its own: without those children's.
  var own = ProcessCounters()
  /// Sums of the exit records of its threads: its own, too.
  var recorded = ProcessCounters()
  /// What children had that it has reaped, as far as they were seen.
  var reaped = ProcessCounters()
  /// What children had that have gone since it was last read, and their own page faults.
  var gone = ProcessCounters()
  var goneFaults: UInt64 = 0
  /// The pass of reading that it was last read in.
  var readPass: UInt64 = 0
  /// Page faults of the children that it has reaped: as last read, and as of the last acquisition.
  var childFaults: UInt64 = 0
  var childFaultsBefore: UInt64 = 0
  /// Nanoseconds that its reaped children used, as last read, and when it was first seen.
  var childTime: UInt64 = 0
  var childTimeBefore: UInt64 = 0

  var isOpen: Bool { stat >= 0 }
}

/// The processes of a tree by pid: slots of fixed number and a hash over them. Allocates when it
/// is made and never again.
@safe
final class ProcessTable {
  private let slots: UnsafeMutableBufferPointer<ProcessSlot>
  /// Slot number + 1 by hash of the pid, 0 for none; linear probing, twice as many as slots.
  private let index: UnsafeMutableBufferPointer<Int32>
  private let mask: Int
  /// Slots from here on were never used.
  private(set) var high = 0
  /// The chain of slots that were given back, by `parent`; -1 ends it.
  private var free: Int32 = -1
  private(set) var count = 0

  /// Room for `capacity` processes.
  init(capacity: Int) {
    unsafe slots = .allocate(capacity: capacity)
    unsafe slots.initialize(repeating: ProcessSlot())
    var size = 16
    while size < capacity * 2 { size <<= 1 }
    unsafe index = .allocate(capacity: size)
    unsafe index.initialize(repeating: 0)
    mask = size - 1
  }

  deinit {
    unsafe slots.deallocate()
    unsafe index.deallocate()
  }

  /// The slot at `place`, below `high`.
  subscript(place: Int) -> ProcessSlot {
    @inline(__always) get {
      precondition(place < high)
      return unsafe slots[place]
    }
    @inline(__always) _modify {
      precondition(place < high)
      yield unsafe &slots[place]
    }
  }

  /// The slot of `pid`, nil when it is not in the tree.
  func find(_ pid: Int32) -> Int? {
    var at = hash(pid)
    while true {
      let entry = unsafe index[at]
      if entry == 0 { return nil }
      if unsafe slots[Int(entry - 1)].pid == pid { return Int(entry - 1) }
      at = (at + 1) & mask
    }
  }

  /// A fresh slot for `pid`, which is not in the tree; nil when all are taken.
  func add(_ pid: Int32) -> Int? {
    let place: Int
    if free >= 0 {
      place = Int(free)
      free = unsafe slots[place].parent
    } else {
      guard unsafe high < slots.count else { return nil }
      place = high
      high += 1
    }
    unsafe slots[place] = ProcessSlot()
    unsafe slots[place].pid = pid
    var at = hash(pid)
    while unsafe index[at] != 0 { at = (at + 1) & mask }
    unsafe index[at] = Int32(place + 1)
    count += 1
    return place
  }

  /// Gives the slot back; its files are closed already.
  func remove(_ place: Int) {
    var at = unsafe hash(slots[place].pid)
    while unsafe index[at] != Int32(place + 1) { at = (at + 1) & mask }
    // What stands behind in the same run moves up, or a later search would end at the hole.
    var next = (at + 1) & mask
    while unsafe index[next] != 0 {
      let home = unsafe hash(slots[Int(index[next] - 1)].pid)
      if (next &- home) & mask >= (next &- at) & mask {
        unsafe index[at] = index[next]
        at = next
      }
      next = (next + 1) & mask
    }
    unsafe index[at] = 0
    unsafe slots[place].pid = 0
    unsafe slots[place].parent = free
    free = Int32(place)
    count -= 1
  }

  private func hash(_ pid: Int32) -> Int {
    Int(truncatingIfNeeded: (UInt64(UInt32(bitPattern: pid)) &* 0x9E37_79B9_7F4A_7C15) >> 33)
      & mask
  }
}
