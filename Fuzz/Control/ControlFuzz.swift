// Linked with the command's own modules by Scripts/fuzz.
import Runner
import SampleModel

@testable import lbsample

private func read(_ bytes: [UInt8]) -> ControlRequest? {
  do throws(LBError) {
    return try ArmCommand.codec.decode(bytes)
  } catch {
    precondition(error.category == .configuration && !error.message.isEmpty)
    return nil
  }
}

/// The bytes are a request to an armed sampler. Behind a tab the same is read in the general way,
/// and must be the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  precondition(read(bytes) == read([9] + bytes), "a request is read in two ways")
  return 0
}
