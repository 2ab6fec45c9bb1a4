import Foundation
import Glibc
import TestSupport
import Testing

/// What does not answer, and what is closed: sampling ends all the same, and says why.
@Suite struct UnansweredTests {
  private func shell(_ script: String) throws -> (code: Int32, text: String) {
    try Command().shell(script)
  }

  /// No other file gets the number of a closed descriptor, and with it what is written there.
  @Test(arguments: ["--format csv", "--format ndjson", "--format csv --record x.lbsample"])
  func aClosedStandardOutputIsAnError(_ options: String) throws {
    let (code, text) = try shell("$0 --cpu -i 20ms --count 3 \(options) >&-")
    #expect(code == 5 && text.contains("standard output: "), "\(code): \(text)")
  }

  @Test func closedInputAndErrorsDoNoHarm() throws {
    let (code, text) = try shell("$0 --cpu -i 20ms --count 3 --format csv <&- 2>&-")
    #expect(code == 0 && text.split(separator: "\n").count == 4)
  }

  /// A line that is longer than the pipe, which nobody reads, before the first sample.
  @Test func aStopDoesNotWaitForAReaderOfTheFirstLine() throws {
    let (code, text) = try shell(
      """
      mkfifo p; exec 3<>p
      $0 --all -i 100ms --format ndjson > p 2> err & pid=$!
      sleep 1; kill -TERM $pid; wait $pid; code=$?; cat err; exit $code
      """)
    #expect(code == 143, "\(text)")
  }

  /// One who sends a second signal wants no more waiting, whatever for.
  @Test(arguments: ["-o f", "--format csv --log-file f"])
  func aStopDoesNotWaitForTheReaderOfAFIFO(_ options: String) throws {
    let (code, text) = try shell(
      """
      mkfifo f
      $0 --cpu -i 20ms \(options) 2>&1 & pid=$!
      sleep 0.5; kill -TERM $pid 2>/dev/null; wait $pid
      """)
    #expect(code == 143 || code == 2 || code == 5, "\(code): \(text)")
  }

  /// No limit of time would end the wait for the other end of a FIFO.
  @Test(
    arguments: [
      ("--input f -- cat", 2, "--input f: nobody writes to this FIFO; start its writer first"),
      (
        "--events f -- true", 5,
        "f: cannot be opened for writing: nobody reads this FIFO; start its"
      ),
      (
        "--result f -- true", 5,
        "f: cannot be opened for writing: nobody reads this FIFO; start its"
      ),
      ("--workload-output f -- true", 2, "--workload-output f cannot be opened"),
    ] as [(String, Int32, String)])
  func aRunDoesNotWaitForTheOtherEndOfAFIFO(
    _ options: String, _ code: Int32, _ words: String
  ) throws {
    let (ended, text) = try shell("mkfifo f; $0 run --cpu --timeout 1s \(options)")
    #expect(ended == code && text.contains(words), "\(ended): \(text)")
  }

  @Test func aFIFOWithAWriterIsAnInput() throws {
    let (code, text) = try shell(
      """
      mkfifo f; (sleep 0.5; echo payload > f) & (sleep 2 > f) & sleep 0.1
      $0 run --cpu --input f -- cat && $0 runs show last --show-output
      """)
    #expect(code == 0 && text.contains("payload"), "\(code): \(text)")
    // A pipe whose end has come is an empty input.
    let (ended, words) = try shell("true | $0 run --cpu --input /dev/stdin -- cat")
    #expect(ended == 0, "\(ended): \(words)")
  }

  /// A pattern that can be matched in endless ways does not keep the run from a stop.
  @Test func aStopDoesNotWaitForAPattern() throws {
    let (code, text) = try shell(
      """
      $0 run --cpu --metric 'x=((a+)+)$' -- echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab & pid=$!
      sleep 2; kill -TERM $pid; wait $pid
      """)
    #expect(code == 143, "\(code): \(text)")
  }

  /// What a thread has of stack follows the same limit.
  @Test(arguments: [64, 128, 256]) func aSmallStackIsEnough(_ limit: Int) throws {
    let (code, text) = try shell("ulimit -s \(limit); $0 run -r 2 -- sh -c 'ulimit -s'")
    #expect(code == 0, "\(code): \(text)")
    let (shown, output) = try shell(
      "ulimit -s \(limit); $0 run -- sh -c 'ulimit -s' && $0 runs show last --show-output")
    #expect(shown == 0 && output.contains("\n\(limit)\n"), "it is the workload's: \(output)")
  }

  /// libdispatch waits for ever for a thread that it cannot have.
  @Test(
    .enabled(if: geteuid() == 0, "the limit does not hold for root, and another user takes root"),
    arguments: 1...8)
  func tooFewThreadsAreAnError(_ limit: Int) throws {
    let (code, text) = try shell(
      """
      chmod 777 .; cp $0 own; chmod 755 own; mkdir runs; chmod 777 runs
      for n in 1 2; do
        setpriv --reuid=\(54_320 + limit) --regid=54321 --clear-groups \
          prlimit --nproc=\(limit) ./own run --cpu --runs-dir runs -- true
        code=$?; [ $code -le 5 ] || exit $code
      done
      setpriv --reuid=\(54_320 + limit) --regid=54321 --clear-groups \
        prlimit --nproc=\(limit) ./own runs list --runs-dir runs; code=$?
      [ $code -le 5 ] || exit $code
      """)
    #expect(code == 0, "\(code): \(text)")
  }

  /// A FIFO in the place of a kernel's file is none of its files, wherever it stands.
  @Test(arguments: ["proc/stat", "sys/devices/system/cpu/online", "sys/devices/system/node/online"])
  func aFIFOIsNoSource(_ path: String) throws {
    let (code, text) = try shell(
      """
      mkdir -p proc sys/devices/system/cpu sys/devices/system/node
      cp /proc/stat /proc/meminfo proc; echo 0-1 > sys/devices/system/cpu/online
      echo 0 > sys/devices/system/node/online
      rm \(path); mkfifo \(path)
      $0 --cpu --memory --optional cpu --proc-root proc --sys-root sys -i 20ms --count 2 \
        --format csv
      """)
    #expect(code == 0, "\(text)")
    #expect(path != "proc/stat" || text.contains("proc/stat: not a regular file"))
  }

  /// A device that never ends is no file of the kernel's either.
  @Test func aDeviceIsNoSource() throws {
    let (code, text) = try shell(
      "mkdir proc; ln -s /dev/zero proc/loadavg; $0 --load --proc-root proc -i 20ms --count 2")
    #expect(code == 3 && text.contains("not a regular file"), "\(code): \(text)")
  }

  /// The limit of a file's size is an error of the write.
  @Test func aFileThatMayNotGrowIsAnError() throws {
    let (code, text) = try shell(
      """
      # A count of the lines that it reaches would be cut as well.
      export LLVM_PROFILE_FILE=/dev/null
      ulimit -f 4; $0 --cpu -i 1ms --count 3000 --format csv -o x.csv; code=$?
      n=$(wc -c < x.csv); [ $n -gt 2000 ] && [ $n -le 4096 ] && echo kept; exit $code
      """)
    #expect(code == 5 && text.contains("File too large"), "\(code): \(text)")
    #expect(text.contains("kept"), "what fits is kept: \(text)")
  }

  /// What had no room ends with a whole row, in a file of its own and behind what there was.
  @Test(arguments: [
    "--format csv -o out", "--format csv > out", "--format csv >> out", "--format ndjson -o out",
    "--format ndjson >> out",
  ]) func whatHadNoRoomEndsWithAWholeRow(_ output: String) throws {
    let command = try Command()
    let (code, text) = try command.shell(
      """
      export LLVM_PROFILE_FILE=/dev/null
      ulimit -f 64; $0 --cpu -i 1ms --count 3000 \(output)
      """)
    #expect(code == 5 && text.contains("File too large"), "\(code): \(text)")
    let written = try String(contentsOfFile: command.folder.file("out"), encoding: .utf8)
    #expect(written.hasSuffix("\n") && written.utf8.count > 50_000, "\(written.utf8.count)")
    let lines = written.split(separator: "\n")
    if output.contains("csv") {
      let cells = Set(lines.map { $0.count { $0 == "," } })
      #expect(cells.count == 1, "\(cells)")
    } else {
      for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
  }

  /// An archive that could not be made is not there.
  @Test func aBundleThatFailsLeavesNothing() throws {
    let (code, text) = try shell(
      """
      $0 run --cpu --quiet -- true > report
      mkdir bin; printf '#!/bin/sh\necho part; exit 1\n' > bin/tar; chmod +x bin/tar
      PATH=$PWD/bin:$PATH $0 runs bundle last -o x.tgz; code=$?
      ls x.tgz && exit 99; exit $code
      """)
    #expect(code == 5, "\(code): \(text)")
  }

  /// libdispatch ends a process that has no descriptor for it.
  @Test(arguments: 6...14) func tooFewDescriptorsAreAnError(_ limit: Int) throws {
    let (code, text) = try shell(
      """
      for n in 1 2 3 4 5 6; do
        sh -c 'ulimit -n \(limit); exec "$0" --cpu -i 10ms --count 3 --record r.lbsample' $0
        code=$?
        ls r.lbsample* 2>/dev/null && exit 99
        [ $code = 5 ] || exit $code
      done
      exit 5
      """)
    #expect(code == 5 && text.contains("ulimit -n"), "\(code): \(text)")
  }

  /// The program has its arguments where there is no /proc.
  @Test(.enabled(if: geteuid() == 0, "unshare(1) of mounts takes root"))
  func argumentsNeedNoProc() throws {
    let (code, text) = try shell(
      "unshare -m sh -c 'mount -t tmpfs none /proc && \"$0\" --version && \"$0\" --nonsense' $0")
    #expect(code == 2 && text.hasPrefix("0."), "\(code): \(text)")
    #expect(text.contains("--nonsense"))
  }

  /// Files of /proc/sys can be read whatever room the ring has.
  @Test func settingsAreReadBesideLargeTexts() throws {
    let (code, text) = try shell(
      """
      $0 --files --files-interval 1ms --interrupts --interrupts-interval 1ms --vm \\
        --vm-interval 1ms --protocols --protocols-interval 1ms -i 1ms --count 40 --format ndjson \\
        --only 'files.*' 2>/dev/null | grep -c '"files.nr_open\\|"files.'
      """)
    #expect(code == 0 && (Int(text.dropLast()) ?? 0) > 10, "\(code): \(text)")
  }

  /// Mounts that come and go within the second after which a collector is armed anew at the
  /// earliest: no other file system's room stands under the name of one that is gone.
  @Test(.enabled(if: geteuid() == 0, "unshare(1) of mounts takes root"))
  func aMountThatIsGoneHasNoRoom() throws {
    let (code, text) = try shell(
      """
      mkdir a b
      cat > script <<'END'
      mount -t tmpfs -o size=64m none a; mount -t tmpfs -o size=32m none b
      "$0" --filesystems --filesystems-interval 100ms -i 100ms --count 35 --raw \\
        --format ndjson > out 2> err & pid=$!
      until grep -q '"type":"sample"' out; do sleep 0.05; done
      umount a; sleep 0.4; umount b; wait $pid
      END
      unshare -m sh script; cat out
      """.replacingOccurrences(of: "\"$0\"", with: Command.path))
    #expect(code == 0)
    let b = text.split(separator: "\n").filter { $0.contains("\"sample\"") }.compactMap { line in
      line.firstRange(of: "/b]\":").map { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
    }
    #expect(!b.isEmpty && b.allSatisfy { $0 == 32 << 20 }, "\(b)")
    #expect(
      text.contains("/b")
        && text.split(separator: "\n").last { $0.contains("\"sample\"") }
          .map { !$0.contains("/b]") } == true
    )
    // Neither end cost a reading of the others: none is without values.
    let end = try #require(text.split(separator: "\n").last)
    #expect(end.contains(#""collector":"filesystems","acquisitions":3"#), "\(end)")
    #expect(end.contains(#""gaps":0,"#) && !end.contains(#""gaps":1"#), "\(end)")
    #expect(text.contains("removed filesystems[") && !text.contains(#""event":"gap""#), "\(text)")
  }
}
