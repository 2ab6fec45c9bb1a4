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
  /// The first of the seven of /proc/PID/io.
  static let io = 6
  static let readCharacters = 6
  static let writtenCharacters = 7
  static let readCalls = 8
  static let writeCalls = 9
  static let readBytes = 10
  static let writeBytes = 11
  static let cancelledWriteBytes = 12
}

/// The state of one process of a tree, with its open files.
struct ProcessSlot {
  /// 0 if the slot is free.
  var pid: Int32 = 0
  var parent: Int32 = 0
  var stat: Int32 = -1
  var io: Int32 = -1
  var statm: Int32 = -1
  var children: Int32 = -1
  var descriptors: Int32 = -1
  var state: UInt8 = 0
  /// It has ended or is exiting.
  var isEnding = false
  /// Its fork event was received: another one with its PID means that it has ended.
  var isAnnounced = false
  /// It existed before the tree was followed.
  var predatesTracking = false
  /// It was found by scanning /proc, and not read yet.
  var foundByScan = false
  /// Access to one of its files was refused.
  var isDenied = false
  /// It had ended at the last reading, and its exit record has not arrived.
  var isMissing = false
  /// Its last exit record has arrived: it is a zombie, or about to be one.
  var hasEnded = false
  /// Its usage is being moved elsewhere, since it is retired.
  var isLeaving = false
  /// It has changed since its last row.
  var isDirty = true
  var command: (UInt64, UInt64) = (0, 0)
  var processor: UInt64 = 0
  var threads: UInt64 = 0
  var virtualSize: UInt64 = 0
  var residentPages: UInt64 = 0
  var sharedPages: UInt64 = 0
  var dataPages: UInt64 = 0
  var openFiles: UInt64 = 0
  /// Last reading: its own CPU time; all else includes reaped children.
  var now = ProcessCounters()
  /// Last reading without reaped children.
  var own = ProcessCounters()
  /// Sums of the exit records of its threads, without children.
  var recorded = ProcessCounters()
  /// Usage of reaped children, as far as they were observed.
  var reaped = ProcessCounters()
  /// Usage of children that ended since its last reading, and their own page faults.
  var gone = ProcessCounters()
  var goneFaults: UInt64 = 0
  /// The number of the pass in which it was last read.
  var readPass: UInt64 = 0
  /// Page faults of reaped children: at the last reading, and at the last acquisition.
  var childFaults: UInt64 = 0
  var childFaultsBefore: UInt64 = 0
  /// CPU nanoseconds of reaped children: at the last reading, and when it was first observed.
  var childTime: UInt64 = 0
  var childTimeBefore: UInt64 = 0

  var isOpen: Bool { stat >= 0 }
}

/// The processes of a tree by PID: a fixed number of slots and a hash table. Allocates only in its
/// initialiser.
@safe
final class ProcessTable {
  private let slots: UnsafeMutableBufferPointer<ProcessSlot>
  /// Slot number + 1 by hash of the pid, 0 for none; linear probing, twice as many as slots.
  private let index: UnsafeMutableBufferPointer<Int32>
  private let mask: Int
  /// The number of slots ever used.
  private(set) var high = 0
  /// The first free slot; `parent` links them, -1 ends the list.
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

  /// The slot at `slotIndex`, below `high`.
  subscript(slotIndex: Int) -> ProcessSlot {
    @inline(__always) get {
      precondition(slotIndex < high)
      return unsafe slots[slotIndex]
    }
    @inline(__always) _modify {
      precondition(slotIndex < high)
      yield unsafe &slots[slotIndex]
    }
  }

  /// The slot of `pid`, nil if it is not in the tree.
  func find(_ pid: Int32) -> Int? {
    var at = hash(pid)
    while true {
      let entry = unsafe index[at]
      if entry == 0 { return nil }
      if unsafe slots[Int(entry - 1)].pid == pid { return Int(entry - 1) }
      at = (at + 1) & mask
    }
  }

  /// A new slot for `pid`, which must not be in the tree; nil if the table is full.
  func add(_ pid: Int32) -> Int? {
    let slotIndex: Int
    if free >= 0 {
      slotIndex = Int(free)
      free = unsafe slots[slotIndex].parent
    } else {
      guard unsafe high < slots.count else { return nil }
      slotIndex = high
      high += 1
    }
    unsafe slots[slotIndex] = ProcessSlot()
    unsafe slots[slotIndex].pid = pid
    var at = hash(pid)
    while unsafe index[at] != 0 { at = (at + 1) & mask }
    unsafe index[at] = Int32(slotIndex + 1)
    count += 1
    return slotIndex
  }

  /// Frees the slot, whose files must be closed.
  func remove(_ slotIndex: Int) {
    var at = unsafe hash(slots[slotIndex].pid)
    while unsafe index[at] != Int32(slotIndex + 1) { at = (at + 1) & mask }
    // Moves following entries of the same run up, so that no later search ends at the free entry.
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
    unsafe slots[slotIndex].pid = 0
    unsafe slots[slotIndex].parent = free
    free = Int32(slotIndex)
    count -= 1
  }

  private func hash(_ pid: Int32) -> Int {
    Int(truncatingIfNeeded: (UInt64(UInt32(bitPattern: pid)) &* 0x9E37_79B9_7F4A_7C15) >> 33)
      & mask
  }
}
