import ArgumentParser
import Output
import SampleModel

/// How CSV is written, live and by `export`.
struct CSVOptions: ParsableArguments {
  @Option(
    name: .customLong("units"),
    help: ArgumentHelp(
      "Units in CSV headings: header, as in 'net.rx_bytes[eth0] (bytes/s)', or none.",
      valueName: "where"))
  var units = "none"
  @Option(
    name: .customLong("time"),
    help: ArgumentHelp(
      "Times in CSV: unix (ns, in time_ns) or iso (UTC, in time).", valueName: "format"))
  var time = "unix"
  @Option(
    name: .customLong("records"),
    help: ArgumentHelp(
      "Write the records of this kind instead of the samples, a csv row each: process, busiest, "
        + "packet_flow.",
      valueName: "kind"))
  var records: String?

  /// The sink that was asked for. With the `layouts` that will come, where they are known, each has
  /// its columns.
  func sink(
    _ reader: StreamReader, of layouts: [Layout] = [], writer: @escaping TextWriter,
    notice: @escaping (String) -> Void
  ) throws(LBError) -> any SampleSink {
    let style = try style()
    if let records {
      return RecordCSVSink(reader: reader, record: records, style: style, writer: writer)
    }
    let sink = CSVSink(reader: reader, style: style, writer: writer, notice: notice)
    sink.expect(layouts)
    return sink
  }

  /// Refuses options that `format` does not know.
  func check(_ format: String) throws(LBError) {
    let style = try style()
    guard format != "csv" else { return }
    let given = [
      (records != nil, "--records"), (style.units != .none, "--units"),
      (style.time != .unix, "--time"),
    ]
    if let option = given.first(where: \.0)?.1 {
      throw LBError(.configuration, "\(option) needs --format csv")
    }
  }

  private func style() throws(LBError) -> CSVStyle {
    var style = CSVStyle()
    guard let units = CSVStyle.Units(rawValue: units) else {
      throw LBError(.configuration, "--units \(units): expected header or none")
    }
    guard let time = CSVStyle.Time(rawValue: time) else {
      throw LBError(.configuration, "--time \(time): expected unix or iso")
    }
    (style.units, style.time) = (units, time)
    return style
  }
}
