import Foundation
import TestSupport

/// A kind of attack: cases that are written down, and siblings of them that a seed makes.
struct Kind {
  /// Makes the files of a try in the folder where its script is executed, and gives that.
  typealias Maker = (inout SeededGenerator, String, Place) throws -> String

  /// One try.
  struct Plan {
    let name: String
    let seed: UInt64
    let make: Maker
  }

  let name: String
  /// Seconds that a try may take.
  let limit: Int
  private let cases: [(name: String, make: Maker)]
  private let sibling: Maker?

  /// Every case, and `count` siblings: of one seed always the same.
  func trials(_ count: Int, seed: UInt64) -> [Plan] {
    var chance = SeededGenerator(seed)
    var plans = cases.map { Plan(name: $0.name, seed: chance.next(), make: $0.make) }
    guard let sibling else { return plans }
    // By its number alone, so that a single one is what it was among all.
    plans += (0..<count).map { number in
      var own = SeededGenerator(seed &+ UInt64(number) &* 0x9E37_79B9)
      return Plan(name: "\(number)", seed: own.next(), make: sibling)
    }
    return plans
  }

  /// All of them: a file of written cases each.
  static func all(_ place: Place) throws -> [Kind] {
    let siblings: [String: Maker] = [
      "results": ResultAttacks.sibling, "tails": TailAttacks.sibling, "texts": TextAttacks.sibling,
      "names": WordAttacks.name, "sockets": WordAttacks.requests,
      "descriptors": WordAttacks.descriptors, "small": WordAttacks.options,
    ]
    let names = try FileManager.default.contentsOfDirectory(atPath: place.cases)
    return try names.sorted().filter { $0.hasSuffix(".bash") && $0 != "prelude.bash" }.map { file in
      let name = String(file.dropLast(5))
      let path = "\(place.cases)/\(file)"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let behind = text.components(separatedBy: "LIMIT ").dropFirst().first
      let limit = behind?.prefix(while: \.isNumber)
      var cases: [(name: String, make: Maker)] = []
      for line in text.split(separator: "\n") where line.hasPrefix("case_") {
        let function = line.prefix { $0 != "(" }
        let script = ". \(path.quoted)\n\(function)"
        cases.append((String(function.dropFirst(5)), { _, _, _ in script }))
      }
      if name == "results" { cases += ResultAttacks.cases }
      return Kind(
        name: name, limit: limit.flatMap { Int($0) } ?? 2, cases: cases, sibling: siblings[name])
    }
  }
}
