// Linked with the command's own modules by Scripts/fuzz.
import Glibc
import SampleModel
@testable import lbsample

private let descriptor = fileno(tmpfile())

/// The bytes are a collectors.conf: what is right in it has a key and a line, and what is not is
/// told with its line.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, data, count, 0) == count else { abort() }
  let path = "/proc/self/fd/\(descriptor)"
  do throws(LBError) {
    let file = try ConfigurationFile(path: path)
    for entry in file.entries {
      precondition(entry.line > 0 && SettingsSchema.key(entry.name) != nil)
    }
    for problem in file.problems { precondition(problem.hasPrefix("\(path):")) }
  } catch {
    precondition(error.category == .configuration && error.message.contains(path))
  }
  return 0
}
