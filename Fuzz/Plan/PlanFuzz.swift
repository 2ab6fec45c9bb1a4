// Linked with the command's own modules by Scripts/fuzz.
import Glibc
import Runner
import SampleModel
@testable import lbsample

private let descriptor = fileno(tmpfile())

/// The bytes are a plan: it is resolved, or everything that is wrong with it is told by line.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, data, count, 0) == count else { abort() }
  let path = "/proc/self/fd/\(descriptor)"
  let files = PlanFiles()
  do throws(LBError) {
    let plan = try files.plan(at: path)
    let planner = Planner(.standard, source: files)
    var scope = PlanScope(RunSpecification(name: "fuzz", command: []))
    scope.includes = [path]
    scope.directory = "/nowhere"
    let root = planner.resolve(plan, in: scope)
    precondition((root == nil) == !planner.problems.all.isEmpty)
    for text in files.texts(planner.problems.all, in: path) {
      precondition(text.hasPrefix(path) && !text.contains("\n"))
    }
  } catch {
    precondition(error.category == .configuration && error.message.contains(path))
  }
  return 0
}
