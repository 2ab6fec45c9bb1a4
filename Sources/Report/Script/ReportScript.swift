/// The page's script: plain JavaScript without libraries, in one function.
enum ReportScript {
  static let text =
    "'use strict';(()=>{\n" + core + charts + views + areas + panels + repetitions + page
    + "})();\n"
}
