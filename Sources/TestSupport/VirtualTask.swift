/// The body of a simulated test with what became of it.
final class VirtualTask<Answer>: @unchecked Sendable {
  // Sendable, since one thread runs the body and its starter reads the result after its end.
  private let body: () throws -> Answer
  private var result: Result<Answer, any Error>?

  init(_ body: @escaping () throws -> Answer) { self.body = body }

  func run() { result = Result { try body() } }

  func answer() throws -> Answer {
    guard let result else { preconditionFailure("the body has not ended") }
    return try result.get()
  }
}
