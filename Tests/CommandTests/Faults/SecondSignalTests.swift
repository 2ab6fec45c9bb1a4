import Foundation
import Glibc
import TestSupport
import Testing

/// A second signal ends the process within a second, whatever hangs.
@Suite(.serialized) struct SecondSignalTests {
  private static let hasPython = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

  /// Who does not read, and what waits for that.
  private static let hanging: [(String, String)] = [
    ("terminal", "--cpu -i 1ms"), ("terminal", "--all -i 1ms --format csv"),
    ("terminal", "run --cpu -i 1ms --show-output -- sh -c 'while :; do echo $$; done'"),
    ("terminal", "run --cpu -r 400 -- true"),
    ("pipe", "--all -i 10ms --format ndjson"), ("pipe", "--all -i 10ms --format csv"),
    ("pipe", "run --cpu -i 1ms --events - -r 100000 -- true"),
    ("pipe", "-o fifo --cpu"), ("pipe", "--cpu --format csv --log-file fifo -o out"),
    ("pipe", #"run --cpu --metric 'x=((a+)+)$' -- echo \#(String(repeating: "a", count: 34))b"#),
    ("pipe", #"run --cpu --grace 60s -- sh -c "trap '' TERM; while :; do sleep 1; done""#),
    ("pipe", #"run --cpu --cleanup "trap '' TERM; sleep 60" -- sleep 60"#),
  ]

  @Test(.enabled(if: hasPython, "there is no python3 here"), arguments: hanging)
  func aSecondSignalEndsIt(_ output: String, _ words: String) throws {
    let (code, text) = try hang(output, words, signals: 2)
    #expect(code == 0, "\(output), \(words): \(text)")
  }

  /// What nobody reads keeps no command from its end: the rows, a report, the output of a workload.
  private static let unread: [(String, String)] = [
    ("terminal", "--cpu -i 1ms"), ("pipe", "run --all -r 2 --format json -- true"),
    ("terminal", "run --all -r 2 --format json -- true"),
    ("errors", "run --cpu --show-output -- yes"),
  ]

  @Test(.enabled(if: hasPython, "there is no python3 here"), arguments: unread)
  func oneSignalEndsWhatIsNotRead(_ output: String, _ words: String) throws {
    let (code, text) = try hang(output, words, signals: 1)
    #expect(code == 0, "\(output), \(words): \(text)")
  }

  /// Ends a command by so many signals whose output nobody reads.
  private func hang(
    _ output: String, _ words: String, signals: Int
  ) throws -> (code: Int32, text: String) {
    let command = try Command()
    try command.folder.write(
      "hang.py",
      """
      import os, pty, shlex, signal, subprocess, sys, time
      reader, writer = os.pipe() if sys.argv[1] == "pipe" else pty.openpty()
      os.mkfifo("fifo")
      child = subprocess.Popen(
          sys.argv[2:3] + shlex.split(sys.argv[3]), stdin=subprocess.DEVNULL,
          stdout=subprocess.DEVNULL if sys.argv[1] == "errors" else writer, stderr=writer,
          start_new_session=True)
      time.sleep(1.5)
      began = None
      # Two signals that differ: of one that is pending already, the kernel keeps no second.
      for number in [signal.SIGTERM, signal.SIGINT][:int(sys.argv[4])]:
          if child.poll() is None:
              child.send_signal(number)
              began = time.time()
              time.sleep(0.2)
      try:
          child.wait(5)
      except subprocess.TimeoutExpired:
          child.kill()
          sys.exit("it hangs")
      took = time.time() - began if began else 0
      if sys.argv[4] == "1" and child.returncode != 143:
          sys.exit(f"it ended with {child.returncode}")
      # The promise is a second on a host that has a CPU free.
      sys.exit(0 if took < 4 else f"it took {took} s")
      """)
    return try command.shell(
      "exec /usr/bin/python3 hang.py \(output) \"$0\" \(quoted(words)) \(signals)")
  }

  /// As a shell has it in single quotes.
  private func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }
}
