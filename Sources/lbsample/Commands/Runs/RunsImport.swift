import ArgumentParser
import RunStore
import SampleModel

/// `lbsample runs import FILE …`.
struct RunsImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Copy result files into the directory of runs.",
    discussion: """
      Each file is checked completely, and its run must have ended. The files
      themselves are not changed. An archive of runs bundle contains no result
      file and cannot be imported.
      """)
  @OptionGroup var options: RunOptions
  @Argument(help: ArgumentHelp("Result files.", valueName: "file"))
  var files: [String]

  func run() throws {
    let directory = try options.directory()
    for file in files {
      let path = try directory.add(copyOf: file)
      if !options.log.quiet { Console.say("imported \(file) as \(path)") }
    }
  }
}
