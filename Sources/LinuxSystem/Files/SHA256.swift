/// SHA-256 of bytes that come one after another (FIPS 180-4, Secure Hash Standard).
///
/// It tells contents apart; nothing secret is derived from it.
package struct SHA256: Sendable {
  private static let blockBytes = 64
  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2).
  private static let constants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4,
    0xab1c_5ed5, 0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe,
    0x9bdc_06a7, 0xc19b_f174, 0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f,
    0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da, 0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
    0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967, 0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc,
    0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85, 0xa2bf_e8a1, 0xa81a_664b,
    0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070, 0x19a4_c116,
    0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7,
    0xc671_78f2,
  ]

  /// a to h of 6.2: the first 32 bits of the fractional parts of the square roots of the first
  /// eight primes (5.3.3), then what the blocks so far made of them.
  private var state: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
    0x5be0_cd19
  )
  /// Bytes behind the last whole block.
  private var pending: [UInt8] = []
  /// Bytes in all.
  private var length: UInt64 = 0

  /// The hash of no bytes.
  package init() {}

  /// The hash of these bytes, as 64 lower-case hexadecimal digits.
  package static func hex(of bytes: [UInt8]) -> String {
    var hash = SHA256()
    hash.update(bytes.span)
    return hash.hex
  }

  /// Adds bytes.
  package mutating func update(_ bytes: Span<UInt8>) {
    length &+= UInt64(bytes.count)
    var from = 0
    if !pending.isEmpty {
      from = min(Self.blockBytes - pending.count, bytes.count)
      for index in 0..<from { pending.append(bytes[index]) }
      guard pending.count == Self.blockBytes else { return }
      let block = pending
      pending = []
      take(block.span, from: 0, blocks: 1)
    }
    let blocks = (bytes.count - from) / Self.blockBytes
    if blocks > 0 { take(bytes, from: from, blocks: blocks) }
    for index in (from + blocks * Self.blockBytes)..<bytes.count { pending.append(bytes[index]) }
  }

  /// The hash of what was added, as 64 lower-case hexadecimal digits.
  package var hex: String {
    var last = self
    // A one, zeros up to the last eight bytes of a block, and the number of bits (5.1.1).
    var padding: [UInt8] = [0x80]
    let behind = (pending.count + 1) % Self.blockBytes
    let zeros = (Self.blockBytes + 56 - behind) % Self.blockBytes
    padding += [UInt8](repeating: 0, count: zeros)
    let bits = length &* 8
    for shift in stride(from: 56, through: 0, by: -8) {
      padding.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
    }
    last.update(padding.span)
    let (a, b, c, d, e, f, g, h) = last.state
    return [a, b, c, d, e, f, g, h].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  /// 6.2.2 for whole blocks. Pointers, since the debug build takes twenty times as long by arrays,
  /// and hashes each run's executable.
  private mutating func take(_ bytes: Span<UInt8>, from: Int, blocks: Int) {
    var state = state
    // Safe: `from` + `blocks` × 64 is at most the number of bytes, 64 words are allocated, and no
    // pointer leaves its closure.
    unsafe bytes.withUnsafeBytes { all in
      unsafe Self.constants.withUnsafeBufferPointer { constants in
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { words in
          for block in 0..<blocks {
            unsafe Self.expand(all, from &+ block &* Self.blockBytes, words)
            unsafe Self.compress(constants, words, &state)
          }
        }
      }
    }
    self.state = state
  }

  /// The message schedule of one block.
  private static func expand(
    _ bytes: UnsafeRawBufferPointer, _ from: Int, _ words: UnsafeMutableBufferPointer<UInt32>
  ) {
    var t = 0
    while t < 16 {
      unsafe words[t] = UInt32(
        bigEndian: bytes.loadUnaligned(fromByteOffset: from &+ t &* 4, as: UInt32.self))
      t &+= 1
    }
    while t < 64 {
      let x = unsafe words[t &- 15]
      let y = unsafe words[t &- 2]
      let s0 = (x &>> 7 | x &<< 25) ^ (x &>> 18 | x &<< 14) ^ (x &>> 3)
      let s1 = (y &>> 17 | y &<< 15) ^ (y &>> 19 | y &<< 13) ^ (y &>> 10)
      unsafe words[t] = words[t &- 16] &+ s0 &+ words[t &- 7] &+ s1
      t &+= 1
    }
  }

  /// The rounds of one block.
  private static func compress(
    _ constants: UnsafeBufferPointer<UInt32>, _ words: UnsafeMutableBufferPointer<UInt32>,
    _ state: inout (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)
  ) {
    var (a, b, c, d, e, f, g, h) = state
    var t = 0
    while t < 64 {
      let s1 = (e &>> 6 | e &<< 26) ^ (e &>> 11 | e &<< 21) ^ (e &>> 25 | e &<< 7)
      let choice = (e & f) ^ (~e & g)
      let first = unsafe h &+ s1 &+ choice &+ constants[t] &+ words[t]
      let s0 = (a &>> 2 | a &<< 30) ^ (a &>> 13 | a &<< 19) ^ (a &>> 22 | a &<< 10)
      let second = s0 &+ ((a & b) ^ (a & c) ^ (b & c))
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ second)
      t &+= 1
    }
    state.0 &+= a
    state.1 &+= b
    state.2 &+= c
    state.3 &+= d
    state.4 &+= e
    state.5 &+= f
    state.6 &+= g
    state.7 &+= h
  }
}
