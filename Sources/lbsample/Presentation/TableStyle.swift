import Foundation
import LinuxSystem
import Output
import SampleModel

/// How the table looks here.
enum TableStyle {
  /// CPUs of which the kernel lists the time (proc_stat(5)): those of a container where the file is
  /// a container's. Nil where it cannot be read.
  static func cpuCount(_ roots: MountRoots) -> Int? {
    guard let text = SmallFile.text(roots.proc("stat")) else { return nil }
    let count = text.split(separator: "\n").count {
      $0.hasPrefix("cpu") && $0.dropFirst(3).first?.isNumber == true
    }
    return count > 0 ? count : nil
  }

  static func current(
    _ settings: Settings, perCPU: Bool, isFile: Bool, cpuCount: Int?
  ) -> TableSink.Style {
    let environment = ProgramEnvironment.variables
    let onTerminal = !isFile && Console.outputIsTerminal
    let colour =
      switch settings["sample.colour"] {
      case "always": true
      case "never": false
      default:
        onTerminal && (environment["NO_COLOR"] ?? "").isEmpty
          && environment["TERM"] != "dumb"
      }
    var style = TableSink.Style(
      colour: colour, perCPU: perCPU, cpuCount: cpuCount)
    style.ellipsis = isUTF8(environment) ? "…" : "~"
    if onTerminal {
      style.window = {
        let size = Console.terminalSize()
        // Three lines of headings stand above, one is free below.
        return (width: size.columns, pageRows: max(5, size.rows - 4))
      }
      if let window = style.window?() { (style.width, style.pageRows) = window }
    }
    return style
  }

  /// Whether the locale's characters are those of UTF-8 (locale(7)).
  static func isUTF8(_ environment: [String: String]) -> Bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty }
    return locale.map { ["utf-8", "utf8"].contains(where: $0.lowercased().contains) } ?? false
  }
}
