import Glibc
import LinuxSystem
package import SampleModel
import Sampler

/// One attempt's result with the workload's kept output and the bracket it was sampled in.
package struct AttemptOutcome: Sendable {
  package var result: AttemptResult
  package var output: [UInt8]
  /// An error that ends the whole run, not just this attempt.
  package var fatal: LBError?
  /// Whether the workload was let go.
  package var hasBegun = false
  /// What the user should know of it.
  package var notes: [String] = []
  /// What ended the sampling, where none of it was required.
  package var lostSampling: LBError?
  /// CPU time of ours while the workload ran, between gate and exit, but for the thread that waited
  /// for it; nil where it did not exit by itself.
  package var besideNanoseconds: UInt64?
  /// Whether it was ended since it did nothing for as long as it may.
  package var wasIdle = false
  /// Whether its bracket was announced, but not opened.
  package var isUnopened = false

  /// An outcome.
  package init(result: AttemptResult, output: [UInt8] = [], fatal: LBError? = nil) {
    self.result = result
    self.output = output
    self.fatal = fatal
  }
}

/// Executes one repetition and knows nothing of the loop around it.
package protocol RepetitionExecuting: AnyObject {
  /// Runs one attempt within a bracket of `collectors`. `began` is told the bracket's number before
  /// its opening sample: what it writes is no part of the measurement. The attempt is ended when
  /// something `beside` it fails, on which it leans.
  func execute(
    _ place: AttemptPlace, _ context: RunContext, _ collectors: any CollectorLifecycle,
    beside: [any PhaseLease], began: (UInt32) throws(LBError) -> Void
  ) -> AttemptOutcome
}

/// Gate, opening sample, exec, exit, closing sample, reaping: in that order.
package final class RepetitionExecutor: RepetitionExecuting {
  /// An executor without state: each call stands for itself.
  package init() {}

  /// How the wait for the workload ended.
  enum Ending {
    case exited
    case timedOut
    /// It did nothing for as long as it may.
    case idle
    case stopped(StopReason)
    case samplingFailed(LBError)
    /// What it leans on is gone.
    case abandoned(LBError)
  }

  /// See `RepetitionExecuting`.
  package func execute(
    _ place: AttemptPlace, _ context: RunContext, _ collectors: any CollectorLifecycle,
    beside: [any PhaseLease] = [], began: (UInt32) throws(LBError) -> Void
  ) -> AttemptOutcome {
    var result = AttemptResult(attempt: place.attempt)
    let services = context.services
    let children = context.specification.adoptsOrphans ? services.spawner.children() : []
    let workload: any Workload
    let pump: OutputPump
    // Before the workload has it.
    let foreground =
      context.specification.input == .inherit ? ForegroundGroup(of: STDIN_FILENO) : nil
    do throws(LBError) {
      (workload, pump) = try spawn(context, hasTerminal: foreground != nil)
    } catch {
      foreground?.restore()
      result.status = .failed
      result.error = error
      return AttemptOutcome(result: result, fatal: error)
    }
    // A handshake with a thread on the same CPU costs a tenth of one across CPUs.
    let here = CPUSet.allowed()
    pin(to: collectors.bracketCPU.map { CPUSet([$0]) })
    defer { pin(to: here) }

    var fatal: LBError?
    var lostSampling: LBError?
    var hasBegun = false
    var isOpening = false
    var wasIdle = false
    var ownBeside: UInt64?
    do throws(LBError) {
      try confine(workload, context)
      collectors.aim(at: workload.pid)
      // Nothing of ours stands between the opening sample and the gate.
      try began(collectors.nextBracket)
      isOpening = true
      _ = try collectors.start()
      isOpening = false
      result.status = .running
      let own = services.clock.othersCPU()
      let opened = services.clock.monotonic()
      workload.openGate()
      hasBegun = true
      let ending = waitForEnd(
        workload, pump, context, collectors, beside, since: opened)
      if case .exited = ending {
        result.wallNanoseconds = services.clock.monotonic() - opened
        ownBeside = services.clock.othersCPU().growth(since: own)
      }
      if case .idle = ending { wasIdle = true }
      fatal = try close(
        ending, workload, context, collectors, opened: opened, result: &result,
        lostSampling: &lostSampling)
    } catch {
      fatal = error
      result.error = result.error ?? error
      result.status = .failed
      workload.signalGroup(SIGKILL)
    }
    // Counted before they are ended: those of the workload's group end with it.
    let outliving =
      context.specification.adoptsOrphans
      ? services.spawner.remaining(
        except: children.union([workload.pid]), sparingBeside: true) : 0
    let refusal = workload.signalGroup(SIGKILL)
    let name = context.specification.command[0]
    if let usage = context.stopping.close(name, workload.reap(until:)) {
      result.userNanoseconds = usage.userNanoseconds
      result.systemNanoseconds = usage.systemNanoseconds
      result.peakResidentBytes = usage.peakResidentBytes
      result.voluntarySwitches = usage.voluntarySwitches
      result.involuntarySwitches = usage.involuntarySwitches
    } else {
      let reason = refusal.map { SystemError.words($0) } ?? "it does not react to SIGKILL"
      let unended = LBError(.workload, "\(name) still runs and cannot be ended: \(reason)")
      // Sampling may be mended; nothing is measured beside this.
      if fatal?.category == .metricCollection { fatal = nil }
      fatal = fatal ?? unended
      result.error = result.error ?? fatal
    }
    if let scope = services.scope, scope.isPopulated {
      _ = context.stopping.close("the control group of \(name)") { deadline in
        result.orphansKilled += scope.kill(until: deadline)
        return scope.isPopulated ? nil : true
      }
    }
    foreground?.restore()
    if context.specification.adoptsOrphans {
      _ = context.stopping.close("what \(name) left running") { deadline in
        // What a server beside it has put into the background is the server's.
        let killed = services.spawner.killRemaining(
          except: children, sparingBeside: true, until: deadline)
        result.orphansKilled = max(result.orphansKilled + killed, outliving)
        return services.spawner.strays(except: children, sparingBeside: true).isEmpty ? true : nil
      }
    }
    let kept = pump.finish(services)
    let output = kept.bytes
    result.outputBytes = kept.total
    result.outputBytesKept = UInt64(output.count)
    let notes = readMetrics(kept, context, result: &result, fatal: &fatal)
    var outcome = AttemptOutcome(result: result, output: output, fatal: fatal)
    outcome.notes = notes
    outcome.hasBegun = hasBegun
    outcome.lostSampling = lostSampling
    outcome.besideNanoseconds = ownBeside
    outcome.isUnopened = isOpening
    outcome.wasIdle = wasIdle
    return outcome
  }

  /// The workload's own metrics, of an attempt that went well; gives what was missing.
  private func readMetrics(
    _ output: KeptOutput, _ context: RunContext, result: inout AttemptResult,
    fatal: inout LBError?
  ) -> [String] {
    guard result.status == .completed else { return [] }
    let (specification, stop) = (context.specification, context.services.stop)
    let found: [Result<Double, LBError>]
    switch MetricSearch.run(specification.metrics, in: output, stop: stop) {
    case .ended(let results): found = results
    case .abandoned(let error):
      // The search goes on and uses a CPU: nothing is measured beside it.
      result.status = .failed
      result.error = error
      fatal = fatal ?? error
      return []
    case .stopped:
      result.status = .interrupted
      result.error = context.services.stopError
      return []
    }
    var notes: [String] = []
    for (metric, number) in zip(specification.metrics, found) {
      do throws(LBError) {
        result.metrics[metric.name] = try number.get()
      } catch {
        var error = error
        // The number may well stand in what went elsewhere.
        if specification.output != .keep {
          error.message += "; standard output is not kept (--workload-output keep)"
        }
        guard specification.requiresMetrics else {
          notes.append(error.message)
          continue
        }
        result.status = .failed
        result.error = result.error ?? error
      }
    }
    return notes
  }

  private func pin(to cpus: CPUSet?) {
    guard let cpus, !cpus.isEmpty else { return }
    do throws(SystemError) { try cpus.applyToThisThread() } catch {
      // Only the bracket's own latency depends on it.
    }
  }

  // MARK: Before the gate

  private func spawn(
    _ context: RunContext, hasTerminal: Bool
  ) throws(LBError) -> (any Workload, OutputPump) {
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
      let own = specification.workloadCPUs.map { context.allowedCPUs.subtracting($0) }
      return try WorkloadLauncher.launch(
        path, command, specification, cpus: specification.workloadCPUs ?? context.allowedCPUs,
        drainCPUs: own, context.services.spawner, stop: context.services.stop,
        clock: context.services.clock, hasTerminal: hasTerminal)
    } catch {
      // What was said of the run is wrong then, not the workload.
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
    _ workload: any Workload, _ pump: OutputPump, _ context: RunContext,
    _ collectors: any CollectorLifecycle, _ beside: [any PhaseLease], since opened: UInt64
  ) -> Ending {
    let services = context.services
    let deadline = context.specification.timeout.map { limit in
      limit < .max - opened ? opened + limit : .max
    }
    var activity = context.specification.idleTimeout.map { ActivityWatch(limit: $0, now: opened) }
    let own = [
      workload.exitPollDescriptor, services.stop.pollDescriptor, collectors.attentionDescriptor,
    ]
    var others = beside.compactMap(\.endDescriptor)
    while true {
      let next = [deadline, activity?.nextLook].compactMap { $0 }.min()
      let ready = services.clock.wait(readable: own + others, until: next)
      if ready.isEmpty {
        let now = services.clock.monotonic()
        if let deadline, now >= deadline { return .timedOut }
        let sign = ActivityWatch.Sign(
          output: pump.bytesSeen &+ context.specification.output.bytesInFile,
          cpuTicks: Descendants.cpuTicks(of: workload.pid))
        if activity?.isIdle(sign, now: now) == true { return .idle }
        continue
      }
      if ready.contains(0) { return .exited }
      if let signal = services.stop.raised { return .stopped(signal) }
      if ready.contains(2), let failure = collectors.failure { return .samplingFailed(failure) }
      let ended = ready.filter { $0 >= own.count }
      guard !ended.isEmpty else { continue }
      if let failure = beside.lazy.compactMap(\.failure).first { return .abandoned(failure) }
      // It may have ended; nobody waits for it twice.
      for place in ended.sorted().reversed() { others.remove(at: place - own.count) }
    }
  }

  private func terminate(_ workload: any Workload, _ context: RunContext) {
    WorkloadLauncher.terminate(workload, grace: context.specification.grace, context.services)
  }

  // MARK: After it

  /// Takes the closing sample, at the right side of the workload's end, and judges the attempt.
  private func close(
    _ ending: Ending, _ workload: any Workload, _ context: RunContext,
    _ collectors: any CollectorLifecycle, opened: UInt64, result: inout AttemptResult,
    lostSampling: inout LBError?
  ) throws(LBError) -> LBError? {
    let clock = context.services.clock
    var fatal: LBError?
    let outcome: BracketOutcome
    switch ending {
    case .exited:
      outcome = try collectors.stop()
    case .timedOut, .idle, .abandoned:
      terminate(workload, context)
      result.wallNanoseconds = clock.monotonic() - opened
      outcome = try collectors.stop()
    case .stopped, .samplingFailed:
      if case .samplingFailed(let error) = ending { fatal = error }
      // The sample first: what the workload does with its SIGTERM is not the measurement.
      do throws(LBError) {
        outcome = try collectors.stop()
      } catch {
        // It is given its grace all the same.
        terminate(workload, context)
        throw fatal ?? error
      }
      terminate(workload, context)
    }
    let account = outcome.account
    result.bracketNanoseconds = account.closeEnd - account.openStart
    result.startUnixNanoseconds =
      clock.realtime() &- (clock.monotonic() &- account.openStart)
    result.ledger = account.ledger
    result.overhead = outcome.isSampled ? account.overhead : nil
    lostSampling = outcome.failure
    result.metrics = outcome.metrics
    let status = workload.peekExit()
    result.exitCode = status?.code
    result.signal = status?.signal
    var ending = ending
    if case .exited = ending, context.specification.input == .inherit, status?.signal == SIGINT {
      // The terminal was the workload's: its Ctrl-C was meant for the whole run.
      context.services.stop.raise(reason: SIGINT)
      ending = .stopped(.signal(SIGINT))
    }
    judge(ending, status, workload, context.specification, result: &result)
    return fatal ?? collectors.failure
  }
}
