import Glibc

#if Numa
  import CNuma
#endif

/// The functions of libnuma that lbsample uses.
package enum NumaLibrary {
  #if Numa
    @safe
    private struct Functions: Sendable {
      let toNode: @convention(c) (UnsafeMutableRawPointer?, Int, Int32) -> Void
      let nodeOfCPU: @convention(c) (Int32) -> Int32
      let maximumNode: @convention(c) () -> Int32
      let distance: @convention(c) (Int32, Int32) -> Int32
    }

    private enum Outcome: Sendable {
      case open(Functions)
      case closed(String)
    }

    private static let functions: Outcome = {
      guard let library = DynamicLibrary("libnuma.so.1") else {
        return .closed("libnuma.so.1 is not installed")
      }
      typealias Available = @convention(c) () -> Int32
      typealias ToNode = @convention(c) (UnsafeMutableRawPointer?, Int, Int32) -> Void
      typealias OfCPU = @convention(c) (Int32) -> Int32
      typealias Distance = @convention(c) (Int32, Int32) -> Int32
      guard let available = library.function("numa_available", as: Available.self),
        let toNode = unsafe library.function("numa_tonode_memory", as: ToNode.self),
        let nodeOfCPU = library.function("numa_node_of_cpu", as: OfCPU.self),
        let maximumNode = library.function("numa_max_node", as: Available.self),
        let distance = library.function("numa_distance", as: Distance.self)
      else { return .closed("libnuma.so.1 lacks an expected function") }
      guard available() >= 0 else { return .closed("the kernel has no NUMA support") }
      return unsafe .open(
        Functions(
          toNode: toNode, nodeOfCPU: nodeOfCPU, maximumNode: maximumNode, distance: distance))
    }()
  #endif

  /// Why libnuma is unavailable, nil if it works.
  package static var unavailable: String? {
    #if Numa
      switch functions {
      case .open: nil
      case .closed(let reason): reason
      }
    #else
      "built without the Numa trait"
    #endif
  }

  /// The node of `cpu`, nil when unknown.
  package static func node(ofCPU cpu: Int) -> Int? {
    #if Numa
      guard case .open(let functions) = functions else { return nil }
      let node = functions.nodeOfCPU(Int32(cpu))
      return node < 0 ? nil : Int(node)
    #else
      nil
    #endif
  }

  /// Distances between all nodes, row by row; empty when unknown.
  package static func distances() -> [[Int]] {
    #if Numa
      guard case .open(let functions) = functions else { return [] }
      let nodes = 0...functions.maximumNode()
      return nodes.map { from in nodes.map { Int(functions.distance(from, $0)) } }
    #else
      []
    #endif
  }

  /// Binds `memory` to `node` before its first touch; returns the reason if it fails.
  static func bind(_ memory: UnsafeMutableRawBufferPointer, onNode node: Int) -> String? {
    #if Numa
      switch functions {
      case .closed(let reason): return reason
      case .open(let functions):
        errno = 0
        unsafe functions.toNode(memory.baseAddress, memory.count, Int32(node))
        return errno == 0 ? nil : SystemError.words(errno)
      }
    #else
      return unavailable
    #endif
  }
}
