import Foundation
import LinuxSystem
import SampleModel
import TestSupport
import Testing
import Yams

/// Bytes that are no UTF-8, in arguments, variables, paths and the names of what is sampled. In the
/// names of a `TemporaryFolder` they stand as `OSText` has them.
@Suite struct BytesTests {
  /// Runs a script whose last command prints; without blanks at the ends of its lines.
  private func lines(_ command: Command, _ script: String) throws -> [String] {
    let (code, text) = try command.shell(script)
    #expect(code == 0, "\(text)")
    return text.lines.map(\.trimmed).filter { !$0.isEmpty }
  }

  @Test func theWorkloadGetsTheBytesThatWereGiven() throws {
    let command = try Command()
    let lines = try lines(
      command,
      #"""
      export BAD=$'\xff\xfe' NFD=$'e\xcc\x81'
      $0 run --config /dev/null --cpu --quiet --env OWN=$'\xc3' --env MARK=$'\xcc\x81x' -- \
        sh -c 'printf %s "$1$BAD$OWN|$NFD|$MARK" > seen' sh $'a\xff\xee\xbe\x80\xc3\xa9' \
        > /dev/null 2>&1
      od -An -tx1 -w64 seen
      """#)
    #expect(lines == ["61 ff ee be 80 c3 a9 ff fe c3 7c 65 cc 81 7c cc 81 78"])
  }

  @Test func filesAreOpenedByTheirTrueNames() throws {
    let command = try Command()
    let lines = try lines(
      command,
      #"""
      mkdir $'d\xff' && printf hello > $'d\xff/in' && cp /bin/cat $'d\xff/tool\xfe'
      $0 run --config /dev/null --cpu --quiet --chdir $'d\xff' --input $'d\xff/in' \
        --workload-output $'out\xfe' --setup $'printf %s x\xff > setup' -- $'./tool\xfe' \
        > /dev/null 2>&1
      cat $'out\xfe'; echo
      od -An -tx1 $'d\xff/setup'
      $0 --config /dev/null --cpu -i 10ms -c 1 --format ndjson -o $'data\xff' 2> /dev/null
      test -s $'data\xff'
      """#)
    #expect(lines == ["hello", "78 ff"])
  }

  /// A run that is gone on with executes the same command.
  @Test func aResumedRunHasTheSameBytes() throws {
    let command = try Command()
    let lines = try lines(
      command,
      #"""
      mkdir $'d\xff'; cd $'d\xff'
      script='printf %s "$1" | od -An -tx1 >> seen; test -e on || { : > on; kill -KILL $PPID; }'
      { $0 run --config /dev/null --cpu --quiet -r 2 -- sh -c "$script" sh $'\xff\xe9'; true; } \
        > /dev/null 2>&1
      cd ..
      $0 run --config /dev/null --quiet --resume last > /dev/null 2>&1 && sort -u $'d\xff/seen'
      wc -l < $'d\xff/seen'
      """#)
    #expect(lines == ["ff e9", "3"])
  }

  @Test func twoInterfacesStayTwo() throws {
    let command = try Command()
    let numbers = String(repeating: " 7", count: 16)
    try command.folder.write(
      "proc/net/dev",
      "Inter-| Receive\n face |bytes\n\u{EFFF}:\(numbers)\n\u{EFFE}:\(numbers)\n")
    let words = [
      "--net", "--config", "/dev/null", "-i", "50ms", "-c", "2", "--proc-root",
      command.folder.file("proc"), "--format",
    ]
    let csv = try command.start(words + ["csv"]).finish()
    #expect(csv.code == 0, "\(csv.error)")
    let header = csv.lines.first?.split(separator: ",") ?? []
    #expect(header.contains(#"net.rx_bytes[\xff]"#) && header.contains(#"net.rx_bytes[\xfe]"#))
    #expect(Set(header).count == header.count && header.count == 2 + 32)

    let ndjson = try command.start(words + ["ndjson"]).finish()
    #expect(ndjson.code == 0, "\(ndjson.error)")
    // Read as UTF-8, broken bytes would be U+FFFD.
    #expect(!ndjson.output.unicodeScalars.contains("\u{FFFD}"))
    let values = try ndjson.objects().compactMap { $0["values"] as? [String: Any] }
    #expect(values.contains { $0.count == 32 && $0[#"net.rx_bytes[\xfe]"#] != nil })

    let table = try command.start(words + ["table"]).finish()
    #expect(table.output.contains(#"\xff"#) && table.output.contains(#"\xfe"#), "\(table.output)")
  }

  /// Two interfaces whose names Unicode calls equal, in everything that is made of a run of them.
  @Test func namesThatUnicodeCallsEqualStayTwoEverywhere() throws {
    let command = try Command()
    let (first, second) = ("net.rx_bytes[\u{E9}]", #"net.rx_bytes[e\xcc\x81]"#)
    let text = try lines(
      command,
      #"""
      mkdir -p proc/net; seven=$(printf ' 7%.0s' $(seq 15))
      both() { printf '\u00e9: %s%s\ne\u0301: %s%s\n' $1 "$seven" $2 "$seven" > proc/net/dev; }
      export -f both; export seven LC_ALL=C.UTF-8
      for name in a b; do
        both 1000 2000
        $0 run --config /dev/null --name $name --net --proc-root proc --format json -- \
          bash -c 'both 2024 4048' 2> err > $name.json || cat err
      done
      $0 export a --format csv | head -n 1
      $0 export a --format ndjson | grep -m 1 '"edge":"close"'
      $0 --config /dev/null --net --proc-root proc -i 10ms -c 2 --format table 2> err | head -n 1
      $0 runs show a --metrics $'net.rx_bytes[e\u0301]' | grep rx_bytes
      $0 runs show a | grep received
      $0 compare a b --contaminated --metric 'net.rx_bytes[*]' --format json | grep rx_bytes
      """#)
    func line(_ start: String) throws -> String {
      try #require(text.first { $0.hasPrefix(start) }, "\(text)")
    }
    for (name, growth) in [(first, 1024.0), (second, 2048.0)] {
      let header = try line("time_ns").split(separator: ",")
      #expect(header.count { $0 == name } == 1, "\(header)")
      // Bytes by which it grew within the one repetition.
      for run in ["a", "b"] {
        let result = try JSONSerialization.jsonObject(
          with: Data(contentsOf: URL(fileURLWithPath: command.folder.file("\(run).json"))))
        let phase = ((result as? [String: Any])?["phases"] as? [[String: Any]])?.first
        let summary = (phase?["metrics"] as? [[String: Any]])?.first {
          $0["metric"] as? String == name
        }
        #expect(summary?["median"] as? Double == growth && summary?["unit"] as? String == "bytes")
      }
      let quoted = "\"\(name.replacingOccurrences(of: #"\"#, with: #"\\"#))\""
      #expect(text.count { $0.hasPrefix(quoted) } == 1, "comparison: \(text)")
    }
    let sample = try JSONSerialization.jsonObject(with: Data(try line("{").utf8))
    let values = (sample as? [String: Any])?["values"] as? [String: Any]
    #expect(values?.count == 32 && values?[second] != nil)
    #expect(try line("|").split(separator: "|").count == 2)
    // Its own bytes find it; the digest has the sum of both.
    #expect(try line(second).contains(" 2K"))
    #expect(text.contains { $0.contains("received") && $0.contains("3.00 KiB") }, "\(text)")
  }

  @Test func aControlGroupIsSampledByItsTrueName() throws {
    let command = try Command()
    for (name, text) in [
      "cgroup.controllers": "cpu\n", "cgroup.procs": "", "a\u{EFFF}/cgroup.procs": "",
      "a\u{EFFF}/cpu.stat": "usage_usec 100\n", "a\u{EFFE}/cgroup.procs": "",
      "a\u{EFFE}/cpu.stat": "usage_usec 300\n",
    ] {
      try command.folder.write("sys/fs/cgroup/\(name)", text)
    }
    let lines = try lines(
      command,
      #"""
      $0 --config /dev/null --cgroup $'/a\xff' --cgroup $'a\xfe' --sys-root sys -i 10ms -c 1 \
        --format csv 2> /dev/null | head -n 1
      """#)
    let header = lines.first?.split(separator: ",").filter { $0.contains("usage_usec") }
    #expect(
      header == [
        #"cgroup.cpu.stat.usage_usec[/a\xff]"#, #"cgroup.cpu.stat.usage_usec[/a\xfe]"#,
      ])
  }

  /// In messages for a person and for a program, and where no such name can be.
  @Test func messagesShowTheBytes() throws {
    let command = try Command()
    let (code, text) = try command.shell(#"$0 run --chdir $'no\xff' -- true"#)
    #expect(code == 2 && text.contains(#"--chdir no\xff: no such directory"#), "\(text)")
    let json = try command.shell(#"$0 run --json-errors --chdir $'no\xff' -- true"#).text
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    #expect((object?["message"] as? String)?.contains(#"no\xff:"#) == true, "\(json)")
    let record = try command.shell(#"$0 --cpu -c 1 --record $'r\xff.lbsample'"#)
    #expect(record.code == 2 && record.text.contains(#"r\xff.lbsample is not UTF-8"#))
    #expect(try lines(command, "ls").allSatisfy { !$0.contains("lbsample") })
  }

  /// Results for programs have the bytes in the same way, in JSON and in YAML.
  @Test func resultsAreTextForEveryReader() throws {
    let command = try Command()
    for format in ["json", "yaml"] {
      let (code, text) = try command.shell(
        "$0 run --config /dev/null --cpu --format \(format) -- true "
          + #"$'a\\b\xff' $'\xfe' 'c\d' 2> /dev/null"#)
      #expect(code == 0, "\(text)")
      let result: Any? =
        try format == "json"
        ? JSONSerialization.jsonObject(with: Data(text.utf8)) : Yams.load(yaml: text)
      let phases = (result as? [String: Any])?["phases"] as? [[String: Any]]
      #expect(
        phases?.first?["command"] as? [String] == ["true", #"a\\b\xff"#, #"\xfe"#, #"c\d"#],
        "\(text)")
    }
  }
}
