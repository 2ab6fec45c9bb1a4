/// The charts that a page opens with, and those that its reader adds.
extension ReportScript {
  static let panels = #"""
    const instanceOf = name => (/\[(.*)\]$/.exec(name) || [, ''])[1];
    const moves = series => {
      const {low, high, state} = series.data;
      for (let b = 0; b < state.length; b++) if (state[b] === 2 && (low[b] || high[b])) return true;
      return false;
    };
    const peak = series => {
      let most = 0;
      const {high, low, state} = series.data;
      for (let b = 0; b < state.length; b++)
        if (state[b] === 2) most = Math.max(most, Math.abs(high[b]), Math.abs(low[b]));
      return most;
    };
    // The series of a run whose names match one of the patterns, in the order of the patterns.
    function matching(run, patterns) {
      const found = [];
      for (const pattern of patterns)
        for (const series of run.byName.values())
          if (pattern.test(series.name) && !found.includes(series)) found.push(series);
      return found.filter(moves);
    }

    // A figure of lines of one unit; of several runs, the runs of a metric follow each other.
    function lineFigure(title, perRun, most = 8) {
      const names = [];
      for (const list of perRun)
        for (const series of list) if (!names.includes(series.name)) names.push(series.name);
      const ranked = names.map(name => ({
        name, most: Math.max(...perRun.flat().filter(one => one.name === name).map(peak)),
      }));
      const chosen = names.length > most
        ? ranked.sort((a, b) => b.most - a.most).slice(0, most).map(one => one.name) : names;
      const lines = [];
      chosen.forEach((name, metric) => {
        for (const series of perRun.flat().filter(one => one.name === name))
          lines.push({series, metric, text: label(series.run, name)});
      });
      if (!lines.length) return null;
      const more = names.length - chosen.length;
      return new LineFigure(title + (more > 0 ? `, the largest ${most} of ${names.length}` : ''),
        lines);
    }

    const groups = [
      ['Memory', [/^memory\.(MemAvailable|Cached|AnonPages|Dirty|Shmem|SwapCached)$/]],
      ['Disk: read and written', [/^disk\.(read|write)_(sectors|bytes)\[/]],
      ['Disk: busy', [/^disk\.io_ticks\[/]],
      ['Network: received and sent', [/^net\.(rx|tx)_bytes\[/]],
      ['Network: dropped and faulty', [/^net\.(rx|tx)_(errs|drop)\[/]],
      ['Pressure', [/^pressure\.(cpu|memory|io|irq)\.(some|full)\.total$/]],
      ['Workload: CPU time', [/^tree\.(sum_exec_runtime|utime|stime)$/]],
      ['Workload: memory', [/^(tree|footprint)\.(rss|VmRSS|Pss|pss)/i]],
      ['Workload: reads and writes', [/^tree\.(rchar|wchar|read_bytes|write_bytes)$/]],
      ['NUMA placement', [/^numa\.(local_node|other_node|numa_miss|numa_foreign)\[/]],
      ['NUMA memory used', [/^numa\.MemUsed\[/]],
      ['Packets', [/^packets\.(packets|frames|captured|total|.*packets)(\[|$)/]],
      ['Packets: bytes', [/^packets\..*bytes(\[|$)/]],
      ['Energy', [/^power\.energy/]],
      ['Frequency', [/^frequency\./]],
      ['Temperature', [/^temperature\./]],
    ];

    function openingFigures() {
      const out = [];
      const states = ['user', 'nice', 'system', 'irq', 'softirq', 'steal', 'iowait'];
      if (several) {
        out.push(lineFigure('CPU by state', sampled.map(run =>
          matching(run, [/^cpu\.(user|system|iowait|steal)\[all\]$/]))));
      }
      for (const run of sampled) {
        const lines = states.map(state => run.byName.get(`cpu.${state}[all]`))
          .filter(series => series && moves(series))
          .map(series => ({series, text: series.name}));
        if (lines.length && !several)
          out.push(new StackFigure('CPU by state, stacked', lines));
        const cpus = [];
        for (const idle of run.byName.values()) {
          const cpu = /^cpu\.idle\[(\d+)\]$/.exec(idle.name);
          if (!cpu) continue;
          const wait = run.byName.get(`cpu.iowait[${cpu[1]}]`);
          cpus.push({
            text: `CPU ${cpu[1]}`,
            series: derived(run, `busy of CPU ${cpu[1]}`, '1', idle.stream,
              wait ? [idle, wait] : [idle],
              values => Math.max(0, 1 - values.reduce((sum, one) => sum + one, 0))),
          });
        }
        if (cpus.length) out.push(new HeatFigure(label(run, 'Busy by CPU'), cpus));
        const bands = (run.processes || []).map(([name, text]) => ({
          text: name === null ? 'all others' : name || '(no name)',
          series: {
            name: name === null ? 'all others' : name, unit: '1', stream: -1, run,
            meaning: 'CPU time of processes of this name', data: envelope(text, run.buckets),
          },
        }));
        if (bands.length)
          out.push(new StackFigure(label(run, 'Processes by name, share of one CPU'), bands, 200));
      }
      for (const [title, patterns] of groups)
        out.push(lineFigure(title, sampled.map(run => matching(run, patterns))));
      const events = new Set(sampled.flatMap(run => [...run.byName.keys()])
        .filter(name => /^perf\./.test(name) && !/time_(enabled|running)|\.running\[/.test(name)));
      for (const name of [...events].slice(0, 12))
        out.push(lineFigure(name, sampled.map(run => [run.byName.get(name)].filter(Boolean))));
      // If no group matches, the page opens with the first metrics that are not always 0.
      if (!out.some(Boolean)) {
        const first = new Map();
        for (const series of sampled.flatMap(run => [...run.byName.values()]).filter(moves))
          if (first.size < 6) first.set(series.name, series.name);
        for (const name of first.keys())
          out.push(lineFigure(name, sampled.map(run => [run.byName.get(name)].filter(Boolean))));
      }
      return out.filter(Boolean);
    }

    // Every sample of a series, which --full keeps.
    class WholeFigure extends TimeFigure {
      constructor(series) {
        super(`${label(series.run, series.name)}, every sample`, 168, [series.run]);
        this.lines = [{series, text: label(series.run, series.name)}];
        this.times = doubles(series.times);
        this.values = doubles(series.values);
        this.describe();
      }
      hue(index) { return index; }
      dash() { return []; }
      paint() {
        const {pen, colour, width} = this.begin();
        const seen = [];
        for (let i = 0; i < this.times.length; i++)
          if (this.times[i] >= view.from && this.times[i] <= view.to) seen.push(i);
        const values = seen.map(i => this.values[i]).filter(Number.isFinite);
        const low = values.reduce((a, b) => Math.min(a, b), Infinity);
        const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
        const x = this.ground(pen, colour, width);
        const y = this.yAxis(pen, colour, width, ...bounds(low, high), this.lines[0].series.unit);
        pen.strokeStyle = pen.fillStyle = colour.line[0];
        pen.lineWidth = 1;
        pen.beginPath();
        let joins = false;
        for (const i of seen) {
          if (!Number.isFinite(this.values[i])) { joins = false; continue; }
          const at = [x(this.times[i] / 1000), y(this.values[i])];
          pen[joins ? 'lineTo' : 'moveTo'](...at);
          if (seen.length < 400) pen.fillRect(at[0] - 1, at[1] - 1, 2, 2);
          joins = true;
        }
        pen.stroke();
        this.over(pen, colour, width, x);
        this.legends();
      }
      fill() {
        const unit = this.lines[0].series.unit, rows = [];
        this.times.forEach((time, i) => {
          if (time >= view.from && time <= view.to)
            rows.push([[(time / 1000).toFixed(4), time],
              Number.isFinite(this.values[i]) ? [shown(this.values[i], unit), this.values[i]]
                : ['absent']]);
        });
        this.rows(['time (s)', this.lines[0].text], rows);
      }
    }

    function search(onChoice, names, id, hint) {
      const input = make('input', {type: 'search', id, placeholder: hint, autocomplete: 'off'});
      input.setAttribute('aria-label', hint);
      const list = make('ul', {className: 'found'});
      const count = make('span', {className: 'count'});
      count.setAttribute('role', 'status');
      const lower = names.map(name => [name, name.toLowerCase()]);
      const look = () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        const found = words.length
          ? lower.filter(([, text]) => words.every(word => text.includes(word))) : [];
        count.textContent = words.length ? `${found.length} of ${names.length}` : '';
        list.replaceChildren(...found.slice(0, 40).map(([name]) => {
          const button = make('button', {type: 'button'}, make('bdi', {}, name));
          button.addEventListener('click', () => onChoice(name));
          return make('li', {}, button);
        }));
      };
      input.addEventListener('input', look);
      input.addEventListener('keydown', event => {
        if (event.key === 'Enter' && list.querySelector('button'))
          list.querySelector('button').click();
        if (event.key === 'Escape') { input.value = ''; look(); }
      });
      return make('div', {className: 'search'}, input, count, list);
    }

    """#
}
