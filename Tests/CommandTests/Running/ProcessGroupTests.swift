import Foundation
import Glibc
import TestSupport
import Testing

/// Whose processes a run ends, how, and to whom the terminal belongs.
@Suite struct ProcessGroupTests {
  /// The shell dies of SIGTERM at once, what it started has something to save.
  @Test func theGraceIsTheWholeGroups() throws {
    let (code, text) = try Command().shell(
      """
      $0 run --cpu --timeout 300ms --grace 5s -- sh -c '
        sh -c "trap \\"sleep 0.3; touch saved; exit\\" TERM; while :; do sleep 0.05; done" &
        wait'
      [ $? = 4 ] && test -e saved
      """)
    #expect(code == 0, "\(code): \(text)")
  }

  /// A process that is stopped takes notice of SIGTERM too.
  @Test func whatIsStoppedHasItsGrace() throws {
    let (code, text) = try Command().shell(
      """
      $0 run --cpu --timeout 300ms --grace 60s -- \
        sh -c 'trap "touch saved; exit" TERM; kill -STOP $$'
      [ $? = 4 ] && test -e saved
      """)
    #expect(code == 0, "\(code): \(text)")
  }

  /// A server that a hook began writes its log as if somebody read it.
  @Test(arguments: ["--setup", "--prepare"])
  func aServerOfAHookWritesOn(_ hook: String) throws {
    let (code, text) = try Command().shell(
      """
      server='while :; do echo line; echo line >> lines; sleep 0.05; done &'
      $0 run --cpu \(hook) "$server" -- \
        sh -c 'sleep 0.5; n=$(wc -l < lines); sleep 0.3; test $(wc -l < lines) -gt $n'
      """)
    #expect(code == 0, "\(code): \(text)")
  }

  /// It leaves its parent while something else is measured: that is not of the workload.
  @Test func aServersDaemonIsNotTheWorkloads() throws {
    let command = try Command()
    try command.folder.write(
      "plan.toml",
      """
      [[phase]]
      name = "server"
      kind = "background"
      command = ["sh", "server.sh"]

      [[phase]]
      name = "one"
      command = ["sh", "-c", "touch go; setsid sleep 982.5 & sleep 0.4"]

      [[phase]]
      name = "two"
      command = ["sh", "-c", "touch done; sleep 0.4; test -e served"]
      """)
    try command.folder.write(
      "server.sh",
      """
      while [ ! -e go ]; do sleep 0.02; done
      (setsid sh -c 'while [ ! -e done ]; do sleep 0.02; done; touch served; exec sleep 60' &)
      exec sleep 60
      """)
    let outcome = try command("run", "--cpu", "--plan", command.folder.file("plan.toml"))
    #expect(outcome.code == 0, "\(outcome.error)")
    // The workload's own is ended as before, and the daemon when the run is over.
    #expect(outcome.output.contains("1 process of hooks, ready_command or phases outlived"))
    let (code, text) = try command.shell("! ps ax -o args | grep -q '^sleep 982.5'")
    #expect(code == 0, "\(text)")
  }

  /// Runs `script` with `$0` as the command at a terminal of its own, whose keys `keys` is written
  /// to it after a second, in Python.
  private func terminal(_ script: String, keys: String = "") throws -> (code: Int32, text: String) {
    let command = try Command()
    try command.folder.write("script.sh", script)
    try command.folder.write(
      "terminal.py",
      """
      import os, pty, select, sys, time
      pid, master = pty.fork()
      if pid == 0:
          os.execv("/bin/bash", ["bash", "script.sh"] + sys.argv[1:2])
      began, keys, text = time.time(), sys.argv[2].encode(), b""
      while True:
          ready, _, _ = select.select([master], [], [], 0.05)
          if keys and time.time() - began > 1:
              os.write(master, keys)
              keys = b""
          if not ready:
              continue
          try:
              part = os.read(master, 4096)
          except OSError:
              break
          if not part:
              break
          text += part
      sys.stdout.buffer.write(text)
      sys.stdout.flush()
      _, status = os.waitpid(pid, 0)
      sys.exit(os.waitstatus_to_exitcode(status))
      """)
    return try command.shell("exec /usr/bin/python3 terminal.py \"$0\" '\(keys)'")
  }

  private static let hasPython = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

  /// Between two repetitions it is ours: Ctrl-C ends the run.
  @Test(.enabled(if: hasPython, "there is no python3 here"))
  func theTerminalIsOursBetweenRepetitions() throws {
    let (code, text) = try terminal(
      "$1 run --cpu --input inherit -r 2 --cooldown 60s -- true", keys: "\u{3}")
    #expect(code == 130, "\(code): \(text)")
  }

  /// However the workload ends, and whatever it has done to the terminal.
  @Test(
    .enabled(if: hasPython, "there is no python3 here"),
    arguments: [
      "true", "stty -echo -icanon; exit 3", "stty raw; kill -9 $$", "stty -echo; sleep 9",
    ])
  func theTerminalIsGivenBackAsItWas(_ workload: String) throws {
    let (code, text) = try terminal(
      """
      before=$(stty -g)
      $1 run --cpu --input inherit -r 2 --timeout 500ms --quiet -- sh -c '\(workload)'
      [ "$(stty -g)" = "$before" ] || echo other modes
      [ $(ps -o tpgid= -p $$) = $(ps -o pgid= -p $$) ] && echo ours
      """)
    #expect(code == 0 && text.contains("ours") && !text.contains("other modes"), "\(text)")
  }

  /// A server beside the workload leaves the terminal to that.
  @Test(.enabled(if: hasPython, "there is no python3 here"))
  func aServerDoesNotTakeTheTerminal() throws {
    let (code, text) = try terminal(
      """
      cat > plan.toml <<'END'
      input = "inherit"
      [[phase]]
      name = "server"
      kind = "background"
      command = "sleep 60"
      [[phase]]
      name = "client"
      command = ["sh", "-c", "read line; test \\"$line\\" = word"]
      END
      $1 run --cpu --plan plan.toml --timeout 5s --quiet
      """, keys: "word\n")
    #expect(code == 0, "\(code): \(text)")
  }

  /// What is said while the line of progress stands there takes its place.
  @Test(.enabled(if: hasPython, "there is no python3 here"))
  func aRemarkIsNoPartOfTheLineOfProgress() throws {
    let (_, text) = try terminal(
      """
      cat > plan.toml <<'END'
      [[phase]]
      name = "a"
      command = "sleep 0.7"
      [[phase]]
      name = "b"
      kind = "approve"
      within = "300ms"
      END
      $1 run --cpu --plan plan.toml
      """)
    #expect(text.contains("\r\u{1b}[Kb: may b go on? (lbsample approve"), "\(text)")
    #expect(text.contains("running 0."), "\(text)")
  }
}
