import Glibc
import LinuxSystem
package import SampleModel
import Sampler

/// The result of an attempt, with the kept output of the workload.
package struct AttemptOutcome: Sendable {
  package var result: AttemptResult
  package var output: [UInt8]
  /// An error that ends the phase, not only this attempt.
  package var fatal: LBError?
  /// Whether the workload passed its start gate.
  package var hasBegun = false
  /// Warnings about the attempt.
  package var notices: [String] = []
  /// The error that ended the sampling, where no collector was required.
  package var lostSampling: LBError?
  /// CPU time of lbsample between start gate and exit, without the thread that waited for the
  /// workload; nil where the workload did not exit by itself.
  package var ownCPUNanoseconds: UInt64?
  /// Whether the idle timeout ended it.
  package var wasIdle = false
  /// Whether its bracket was recorded but not opened.
  package var isUnopened = false
  /// Descendants that lived when the workload had ended.
  fileprivate var outliving = 0

  /// An outcome with this result.
  package init(result: AttemptResult, output: [UInt8] = [], fatal: LBError? = nil) {
    self.result = result
    self.output = output
    self.fatal = fatal
  }
}

/// Executes attempts, independent of the loop around them.
package protocol RepetitionExecuting: AnyObject {
  /// Executes one attempt within a bracket of `collectors`. `willOpen` gets the bracket's number
  /// before the opening sample, so that the cost of recording it lies outside the measurement. The
  /// attempt is ended when a `background` task fails.
  func execute(
    _ id: AttemptID, _ context: RunContext, _ collectors: any CollectorLifecycle,
    background: [any BackgroundTask], willOpen: (UInt32) throws(LBError) -> Void
  ) -> AttemptOutcome
}

/// Executes an attempt: start gate, opening sample, exec, exit, closing sample, reaping, in this
/// order.
package final class RepetitionExecutor: RepetitionExecuting {
  /// An executor; it has no state.
  package init() {}

  /// How the wait for the workload ended.
  enum Ending {
    case exited
    case timedOut
    /// The idle timeout passed.
    case idle
    case stopped(StopReason)
    case samplingFailed(LBError)
    /// A background task failed.
    case abandoned(LBError)
  }

  /// See `RepetitionExecuting`.
  package func execute(
    _ id: AttemptID, _ context: RunContext, _ collectors: any CollectorLifecycle,
    background: [any BackgroundTask] = [], willOpen: (UInt32) throws(LBError) -> Void
  ) -> AttemptOutcome {
    var outcome = AttemptOutcome(result: AttemptResult(attempt: id.attempt))
    let services = context.services
    let children = context.specification.adoptsOrphans ? services.spawner.children() : []
    let workload: any Workload
    let capture: OutputCapture
    // Read before the workload gets the terminal.
    let foreground =
      context.specification.input == .inherit ? ForegroundGroup(of: STDIN_FILENO) : nil
    do throws(LBError) {
      (workload, capture) = try spawn(context, hasTerminal: foreground != nil)
    } catch {
      foreground?.restore()
      outcome.result.status = .failed
      outcome.result.error = error
      outcome.fatal = error
      return outcome
    }
    // A handshake with a thread on the same CPU costs a tenth of one across CPUs.
    let allowed = CPUSet.allowed()
    pin(to: collectors.bracketCPU.map { CPUSet([$0]) })
    defer { pin(to: allowed) }

    do throws(LBError) {
      try confine(workload, context)
      collectors.aim(at: workload.pid)
      // Before the opening sample: between it and the start gate lbsample does no other work.
      try willOpen(collectors.nextBracket)
      outcome.isUnopened = true
      _ = try collectors.start()
      outcome.isUnopened = false
      outcome.result.status = .running
      let ownCPU = services.clock.othersCPU()
      let opened = services.clock.monotonic()
      workload.openGate()
      outcome.hasBegun = true
      let ending = waitForEnd(
        workload, capture, context, collectors, background, since: opened)
      if case .exited = ending {
        outcome.result.wallNanoseconds = services.clock.monotonic() - opened
        outcome.ownCPUNanoseconds = services.clock.othersCPU().growth(since: ownCPU)
      }
      if case .idle = ending { outcome.wasIdle = true }
      try close(ending, workload, context, collectors, opened: opened, &outcome)
    } catch {
      outcome.fatal = error
      outcome.result.error = outcome.result.error ?? error
      outcome.result.status = .failed
      workload.signalGroup(SIGKILL)
    }
    endProcesses(workload, context, children, &outcome)
    foreground?.restore()
    endOrphans(context, children, &outcome)
    let kept = capture.finish(services)
    outcome.output = kept.bytes
    outcome.result.outputBytes = kept.total
    outcome.result.outputBytesKept = UInt64(outcome.output.count)
    readMetrics(kept, context, &outcome)
    return outcome
  }

  /// Reads the workload's own metrics from the output of a completed attempt.
  private func readMetrics(
    _ output: KeptOutput, _ context: RunContext, _ outcome: inout AttemptOutcome
  ) {
    guard outcome.result.status == .completed else { return }
    let (specification, stop) = (context.specification, context.services.stop)
    let found: [Result<Double, LBError>]
    switch MetricSearch.run(specification.metrics, in: output, stop: stop) {
    case .ended(let results): found = results
    case .abandoned(let error):
      // The search still uses a CPU, so that nothing can be measured beside it.
      outcome.result.status = .failed
      outcome.result.error = error
      outcome.fatal = outcome.fatal ?? error
      return
    case .stopped:
      outcome.result.status = .interrupted
      outcome.result.error = context.services.stopError
      return
    }
    for (metric, number) in zip(specification.metrics, found) {
      do throws(LBError) {
        outcome.result.metrics[metric.name] = try number.get()
      } catch {
        var error = error
        // The number may stand in the output that is not kept.
        if specification.output != .keep {
          error.message += "; standard output is not kept (--workload-output keep)"
        }
        guard specification.requiresMetrics else {
          outcome.notices.append(error.message)
          continue
        }
        outcome.result.status = .failed
        outcome.result.error = outcome.result.error ?? error
      }
    }
  }

  private func pin(to cpus: CPUSet?) {
    guard let cpus, !cpus.isEmpty else { return }
    do throws(SystemError) { try cpus.applyToThisThread() } catch {
      // Only the latency of opening and closing the bracket depends on it.
    }
  }

  // MARK: Before the start gate

  private func spawn(
    _ context: RunContext, hasTerminal: Bool
  ) throws(LBError) -> (any Workload, OutputCapture) {
    let specification = context.specification
    let command = specification.command
    func failure(_ message: String, errno: Int32? = nil) -> LBError {
      var error = LBError(
        .workload, message, context: ErrorContext(path: command.first, errno: errno))
      error.context.command = command
      return error
    }
    let path = try WorkloadCommand.resolve(specification)
    do throws(SystemError) {
      let otherCPUs = specification.workloadCPUs.map { context.allowedCPUs.subtracting($0) }
      return try WorkloadLauncher.launch(
        path, command, specification, cpus: specification.workloadCPUs ?? context.allowedCPUs,
        captureCPUs: otherCPUs, context.services.spawner, stop: context.services.stop,
        clock: context.services.clock, hasTerminal: hasTerminal)
    } catch {
      // A mistake in the options, not a failure of the workload.
      if error.errno == ENXIO, case .file(let input) = specification.input, error.path == input {
        throw LBError(
          .configuration, "--input \(input): \(error.reason)",
          context: ErrorContext(path: input, errno: error.errno))
      }
      throw failure("\(command[0]): \(error)", errno: error.errno)
    }
  }

  private func confine(_ workload: any Workload, _ context: RunContext) throws(LBError) {
    do throws(SystemError) {
      try context.services.scope?.add(workload.pid)
    } catch {
      throw LBError(
        .workload, "the workload cannot be put into its control group: \(error)",
        context: ErrorContext(path: error.path, errno: error.errno))
    }
  }

  // MARK: While it runs

  private func waitForEnd(
    _ workload: any Workload, _ capture: OutputCapture, _ context: RunContext,
    _ collectors: any CollectorLifecycle, _ background: [any BackgroundTask],
    since opened: UInt64
  ) -> Ending {
    let services = context.services
    let deadline = context.specification.timeout.map { limit in
      limit < .max - opened ? opened + limit : .max
    }
    var activity = context.specification.idleTimeout.map { ActivityWatch(limit: $0, now: opened) }
    let own = [
      workload.exitPollDescriptor, services.stop.pollDescriptor, collectors.attentionDescriptor,
    ]
    var others = background.compactMap(\.endDescriptor)
    while true {
      let next = [deadline, activity?.nextCheck].compactMap { $0 }.min()
      let ready = services.clock.wait(readable: own + others, until: next)
      if ready.isEmpty {
        let now = services.clock.monotonic()
        if let deadline, now >= deadline { return .timedOut }
        let sample = ActivitySample(
          output: capture.bytesSeen &+ context.specification.output.bytesInFile,
          cpuTicks: Descendants.cpuTicks(of: workload.pid))
        if activity?.isIdle(sample, now: now) == true { return .idle }
        continue
      }
      if ready.contains(0) { return .exited }
      if let signal = services.stop.raised { return .stopped(signal) }
      if ready.contains(2), let failure = collectors.failure { return .samplingFailed(failure) }
      let ended = ready.filter { $0 >= own.count }
      guard !ended.isEmpty else { continue }
      if let failure = background.lazy.compactMap(\.failure).first { return .abandoned(failure) }
      // A task that may end did so: its descriptor would be readable from now on.
      for index in ended.sorted().reversed() { others.remove(at: index - own.count) }
    }
  }

  private func terminate(_ workload: any Workload, _ context: RunContext) {
    WorkloadLauncher.terminate(workload, grace: context.specification.grace, context.services)
  }

  // MARK: After the workload

  /// Takes the closing sample, before or after the workload's end as the ending requires, and sets
  /// the attempt's result.
  private func close(
    _ ending: Ending, _ workload: any Workload, _ context: RunContext,
    _ collectors: any CollectorLifecycle, opened: UInt64, _ outcome: inout AttemptOutcome
  ) throws(LBError) {
    let clock = context.services.clock
    var samplingFailure: LBError?
    let bracket: BracketOutcome
    switch ending {
    case .exited:
      bracket = try collectors.stop()
    case .timedOut, .idle, .abandoned:
      terminate(workload, context)
      outcome.result.wallNanoseconds = clock.monotonic() - opened
      bracket = try collectors.stop()
    case .stopped, .samplingFailed:
      if case .samplingFailed(let error) = ending { samplingFailure = error }
      // The sample first: the workload's reaction to SIGTERM is not measured.
      do throws(LBError) {
        bracket = try collectors.stop()
      } catch {
        // The workload gets its grace time nevertheless.
        terminate(workload, context)
        throw samplingFailure ?? error
      }
      terminate(workload, context)
    }
    let account = bracket.account
    outcome.result.bracketNanoseconds = account.closeEnd - account.openStart
    outcome.result.startUnixNanoseconds =
      clock.realtime() &- (clock.monotonic() &- account.openStart)
    outcome.result.ledger = account.ledger
    outcome.result.overhead = bracket.isSampled ? account.overhead : nil
    outcome.lostSampling = bracket.failure
    outcome.result.metrics = bracket.metrics
    let status = workload.peekExit()
    outcome.result.exitCode = status?.code
    outcome.result.signal = status?.signal
    var ending = ending
    if case .exited = ending, context.specification.input == .inherit, status?.signal == SIGINT {
      // The workload had the terminal: Ctrl-C reached it alone, but was meant for the run.
      context.services.stop.raise(reason: SIGINT)
      ending = .stopped(.signal(SIGINT))
    }
    judge(ending, status, workload, context.specification, result: &outcome.result)
    outcome.fatal = samplingFailure ?? collectors.failure
  }

  /// Ends and reaps the workload's process group and its control group.
  private func endProcesses(
    _ workload: any Workload, _ context: RunContext, _ children: Set<Int32>,
    _ outcome: inout AttemptOutcome
  ) {
    let services = context.services
    // Counted before they are ended: those of the workload's group end with it.
    outcome.outliving =
      context.specification.adoptsOrphans
      ? services.spawner.remaining(
        except: children.union([workload.pid]), sparingBackground: true) : 0
    let refusal = workload.signalGroup(SIGKILL)
    let name = context.specification.command[0]
    if let usage = context.stopping.close(name, workload.reap(until:)) {
      outcome.result.userNanoseconds = usage.userNanoseconds
      outcome.result.systemNanoseconds = usage.systemNanoseconds
      outcome.result.peakResidentBytes = usage.peakResidentBytes
      outcome.result.voluntarySwitches = usage.voluntarySwitches
      outcome.result.involuntarySwitches = usage.involuntarySwitches
    } else {
      let reason = refusal.map { SystemError.words($0) } ?? "it does not react to SIGKILL"
      let unended = LBError(.workload, "\(name) still runs and cannot be ended: \(reason)")
      // A run can recover from a failure of sampling, but cannot measure beside this process.
      if outcome.fatal?.category == .metricCollection { outcome.fatal = nil }
      outcome.fatal = outcome.fatal ?? unended
      outcome.result.error = outcome.result.error ?? outcome.fatal
    }
    guard let scope = services.scope, scope.isPopulated else { return }
    _ = context.stopping.close("the control group of \(name)") { deadline in
      outcome.result.orphansKilled += scope.kill(until: deadline)
      return scope.isPopulated ? nil : true
    }
  }

  /// Kills and reaps descendants that outlived the workload's group.
  private func endOrphans(
    _ context: RunContext, _ children: Set<Int32>, _ outcome: inout AttemptOutcome
  ) {
    guard context.specification.adoptsOrphans else { return }
    let spawner = context.services.spawner
    let name = context.specification.command[0]
    _ = context.stopping.close("what \(name) left running") { deadline in
      // Descendants of a background task are spared: they belong to that.
      let killed = spawner.killRemaining(
        except: children, sparingBackground: true, until: deadline)
      outcome.result.orphansKilled = max(
        outcome.result.orphansKilled + killed, outcome.outliving)
      return spawner.strays(except: children, sparingBackground: true).isEmpty ? true : nil
    }
  }
}
