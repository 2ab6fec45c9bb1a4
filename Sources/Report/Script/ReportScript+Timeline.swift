/// Charts over time, with one time axis and one cursor for all.
extension ReportScript {
  static let views = #"""
    const whole = [0, Math.max(1, ...sampled.map(run => run.segments.at(-1).t[1]))];
    const view = {from: whole[0], to: whole[1], cursor: NaN};
    const live = make('p', {className: 'live'});
    live.setAttribute('role', 'status');
    live.setAttribute('aria-live', 'polite');
    const position = make('output', {id: 'position'});

    function look(from, to) {
      const span = Math.min(whole[1] - whole[0], Math.max((whole[1] - whole[0]) / 1e5, to - from));
      from = Math.max(whole[0], Math.min(from, whole[1] - span));
      view.from = from;
      view.to = from + span;
      position.textContent = `${seconds(view.from)} to ${seconds(view.to)}`;
      document.body.dataset.view = `${view.from},${view.to}`;
      soon();
    }
    function zoom(factor, at = (view.from + view.to) / 2) {
      look(at - (at - view.from) * factor, at + (view.to - at) * factor);
    }
    function pan(share) {
      const by = (view.to - view.from) * share;
      look(view.from + by, view.to + by);
    }
    function bucketAt(run, time) {
      let low = 0, high = run.buckets - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (run.centre[middle] < time) low = middle + 1; else high = middle;
      }
      if (low && time - run.centre[low - 1] < run.centre[low] - time) low--;
      return low;
    }
    // The nearest bucket of a series with values, at most seven buckets away; -1 without one.
    function valueAt(series, time) {
      const at = bucketAt(series.run, time), state = series.data.state;
      for (let away = 0; away < 8; away++)
        for (const b of [at - away, at + away])
          if (state[b] === 2) return b; else if (state[b] === 1) return -1;
      return -1;
    }
    function point(time, figure) {
      view.cursor = Math.max(whole[0], Math.min(whole[1], time));
      document.body.dataset.cursor = view.cursor;
      if (figure) live.textContent = visible(`${seconds(view.cursor)}: ${figure.spoken()}`);
      soon();
    }

    class TimeFigure extends Figure {
      constructor(title, height, runsShown) {
        super(title, height);
        this.runs = runsShown;
        const canvas = this.canvas;
        canvas.tabIndex = 0;
        const time = event => {
          const box = canvas.getBoundingClientRect();
          const share = (event.clientX - box.left - left) / (this.width - left - right);
          return view.from + share * (view.to - view.from);
        };
        let start = null;
        canvas.addEventListener('pointerdown', event => {
          canvas.setPointerCapture(event.pointerId);
          start = {time: time(event), x: event.clientX, from: view.from, to: view.to};
        });
        canvas.addEventListener('pointermove', event => {
          if (start && event.shiftKey) {
            const by = (event.clientX - start.x) / (this.width - left - right);
            const away = by * (start.to - start.from);
            look(start.from - away, start.to - away);
          } else {
            view.brush = start ? [start.time, time(event)] : null;
            point(time(event));
          }
        });
        canvas.addEventListener('pointerup', event => {
          const end = time(event);
          const isDrag = start && Math.abs(event.clientX - start.x) > 6 && !event.shiftKey;
          if (isDrag) look(Math.min(start.time, end), Math.max(start.time, end));
          start = view.brush = null;
          point(end, this);
        });
        canvas.addEventListener('dblclick', () => look(...whole));
        canvas.addEventListener('wheel', event => {
          if (!event.ctrlKey && !event.shiftKey) return;
          event.preventDefault();
          zoom(event.deltaY + event.deltaX > 0 ? 1.25 : 0.8, time(event));
        }, {passive: false});
        canvas.addEventListener('keydown', event => {
          const run = this.runs[0], large = event.shiftKey;
          const step = direction => {
            const now = Number.isNaN(view.cursor) ? (view.from + view.to) / 2 : view.cursor;
            const next = bucketAt(run, now) + direction * (large ? 10 : 1);
            point(run.centre[Math.max(0, Math.min(run.buckets - 1, next))], this);
            if (view.cursor < view.from || view.cursor > view.to) pan(direction / 2);
          };
          const at = Number.isNaN(view.cursor) ? undefined : view.cursor;
          const keys = {
            ArrowLeft: () => step(-1), ArrowRight: () => step(1), '+': () => zoom(0.5, at),
            '=': () => zoom(0.5, at), '-': () => zoom(2, at), '0': () => look(...whole),
            PageUp: () => pan(-0.5), PageDown: () => pan(0.5),
            Home: () => point(view.from, this), End: () => point(view.to, this),
          };
          if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          keys[event.key]();
        });
      }
      // An open table shows the time that the chart shows.
      draw() {
        super.draw();
        const seen = `${view.from},${view.to}`;
        if (!this.details.open || this.seen === seen) return;
        this.seen = seen;
        this.fill();
      }
      // Draws what lies behind the lines: repetitions, gaps and marks.
      ground(pen, colour, width) {
        const x = this.xAxis(pen, colour, width, view.from / 1000, view.to / 1000,
          value => digits(Number(value.toPrecision(7))) + ' s');
        const at = ms => Math.max(left, Math.min(width - right, x(ms / 1000)));
        const floor = this.height - bottom;
        const streams = new Set(this.streams());
        for (const run of this.runs.slice(0, 1)) {
          for (const [index, one] of run.segments.entries()) {
            if (run.kind === 'sample') break;
            pen.fillStyle = one.contaminated ? colour.contaminated : one.warmUp ? colour.warm
              : index % 2 ? colour.back : colour.band;
            const from = at(one.t[0]), width = at(one.t[1]) - from;
            pen.fillRect(from, top, width, floor - top);
            if (one.contaminated && width > 7) {
              pen.fillStyle = colour.text;
              pen.textAlign = 'center';
              pen.textBaseline = 'top';
              pen.fillText('×', from + width / 2, top);
            }
          }
        }
        for (const run of this.runs) {
          for (const [index, [start, end]] of (run.gaps || []).entries()) {
            if (!streams.has(`${run.number}/${run.gapStreams[index]}`)) continue;
            if (end < view.from || start > view.to) continue;
            const from = at(start), to = Math.max(from + 2, at(end));
            pen.save();
            pen.beginPath();
            pen.rect(from, top, to - from, floor - top);
            pen.clip();
            pen.strokeStyle = colour.gap;
            pen.lineWidth = 1;
            pen.beginPath();
            for (let h = from - floor; h < to; h += 5) {
              pen.moveTo(h, floor);
              pen.lineTo(h + floor, 0);
            }
            pen.stroke();
            pen.restore();
          }
          pen.fillStyle = colour.mark;
          for (const [time, , level] of run.marks || []) {
            if (time < view.from || time > view.to || level === 'debug') continue;
            pen.fillRect(at(time), top - 8, 1.5, level === 'info' ? 4 : 8);
          }
        }
        return x;
      }
      over(pen, colour, width, x) {
        const floor = this.height - bottom;
        if (view.brush) {
          const [from, to] = view.brush.map(ms => x(ms / 1000)).sort((a, b) => a - b);
          pen.fillStyle = colour.mark;
          pen.globalAlpha = 0.15;
          pen.fillRect(from, top, to - from, floor - top);
          pen.globalAlpha = 1;
        }
        if (view.cursor >= view.from && view.cursor <= view.to) {
          pen.fillStyle = colour.text;
          pen.fillRect(x(view.cursor / 1000), top, 1, floor - top);
        }
      }
      streams() { return this.lines.map(({series}) => `${series.run.number}/${series.stream}`); }
      spoken() {
        return this.lines.map(({series, text}) => {
          const b = valueAt(series, view.cursor);
          return `${text} ${b < 0 ? 'no value' : shown(series.data.mid[b], series.unit)}`;
        }).join(', ');
      }
      legends() {
        this.key(this.lines.map(({series, text}, index) => {
          const b = Number.isNaN(view.cursor) ? -2 : valueAt(series, view.cursor);
          return {
            text, hue: this.hue(index), dash: this.dash(index),
            title: `${series.name}: ${series.meaning}`,
            value: b === -2 ? '' : b < 0 ? 'no value' : shown(series.data.mid[b], series.unit),
          };
        }));
      }
      // In charts of several runs, each metric has its colour and each run its dashes.
      hue(index) { return several ? this.lines[index].metric : index; }
      dash(index) {
        return dashOf(several ? this.lines[index].series.run.number : index);
      }
      describe() {
        const parts = this.lines.slice(0, 4).map(({series, text}) => {
          const {low, high, mid, state} = series.data;
          let least = Infinity, most = -Infinity, when = 0, all = [];
          for (let b = 0; b < state.length; b++) {
            if (state[b] !== 2) continue;
            if (low[b] < least) least = low[b];
            if (high[b] > most) { most = high[b]; when = series.run.centre[b]; }
            all.push(mid[b]);
          }
          if (!all.length) return `${text} has no values`;
          return `${text}: ${shown(least, series.unit)} to ${shown(most, series.unit)}, ` +
            `median ${shown(median(all), series.unit)}, maximum at ${seconds(when, 2)}`;
        });
        const more = this.lines.length - parts.length;
        this.say(parts.join('; ') + (more > 0 ? `; ${more} more.` : '.'));
      }
      fill() {
        const unit = this.lines[0] ? this.lines[0].series.unit : '';
        const run = this.runs[0], rows = [];
        const headings = ['time (s)'];
        for (const {text} of this.lines) headings.push(text + ' min', 'median', 'max');
        for (let b = 0; b < run.buckets; b++) {
          if (run.centre[b] < view.from || run.centre[b] > view.to) continue;
          const row = [[(run.centre[b] / 1000).toFixed(4), run.centre[b]]];
          let any = false;
          for (const {series} of this.lines) {
            const {low, mid, high, state} = series.data;
            const at = series.run === run ? b : bucketAt(series.run, run.centre[b]);
            any = any || state[at] > 0;
            for (const value of [low[at], mid[at], high[at]])
              row.push(state[at] === 2 ? [shown(value, series.unit || unit), value]
                : [state[at] === 1 ? 'absent' : '']);
          }
          if (any) rows.push(row);
        }
        this.rows(headings, rows);
      }
    }

    // Lines of medians with bands from the minimum to the maximum.
    class LineFigure extends TimeFigure {
      constructor(title, lines) {
        super(title, 168, [...new Set(lines.map(line => line.series.run))]);
        this.lines = lines;
        this.describe();
        this.legends();
      }
      paint() {
        const {pen, colour, width} = this.begin();
        let least = Infinity, most = -Infinity;
        for (const {series} of this.lines) {
          const {low, high, state} = series.data, centre = series.run.centre;
          for (let b = 0; b < state.length; b++) {
            if (state[b] !== 2 || centre[b] < view.from || centre[b] > view.to) continue;
            least = Math.min(least, low[b]);
            most = Math.max(most, high[b]);
          }
        }
        const x = this.ground(pen, colour, width);
        const y = this.yAxis(pen, colour, width, ...bounds(least, most), this.lines[0].series.unit);
        pen.save();
        pen.beginPath();
        pen.rect(left, 0, width - left - right, this.height - bottom + 1);
        pen.clip();
        this.lines.forEach(({series}, index) => {
          pen.strokeStyle = pen.fillStyle = colour.line[this.hue(index) % 8];
          for (const part of stretches(series)) this.line(pen, series, part, x, y, index);
        });
        pen.restore();
        this.over(pen, colour, width, x);
        this.legends();
      }
      line(pen, series, part, x, y, index) {
        const {low, mid, high} = series.data, centre = series.run.centre;
        const at = b => x(centre[b] / 1000);
        if (this.lines.length <= 8) {
          pen.globalAlpha = 0.22;
          pen.beginPath();
          part.forEach((b, i) => pen[i ? 'lineTo' : 'moveTo'](at(b), y(high[b])));
          for (let i = part.length - 1; i >= 0; i--) pen.lineTo(at(part[i]), y(low[part[i]]));
          pen.fill();
          pen.globalAlpha = 1;
        }
        pen.lineWidth = 1.4;
        pen.setLineDash(this.dash(index));
        pen.beginPath();
        part.forEach((b, i) => pen[i ? 'lineTo' : 'moveTo'](at(b), y(mid[b])));
        pen.stroke();
        pen.setLineDash([]);
        // A single value is a dot, and the range of each bucket a vertical line.
        if (part.length === 1) pen.fillRect(at(part[0]) - 1.5, y(mid[part[0]]) - 1.5, 3, 3);
        pen.globalAlpha = 0.55;
        for (const b of part) {
          const above = y(high[b]), below = y(low[b]);
          if (below - above > 2) pen.fillRect(at(b) - 0.5, above, 1, below - above);
        }
        pen.globalAlpha = 1;
      }
    }

    // Splits the buckets of a series into lines: a line ends where a value is absent, at a gap,
    // and at the end of a repetition.
    function stretches(series) {
      const {state} = series.data, {segmentOf, broken} = series.run;
      const gaps = broken.get(series.stream), parts = [];
      let part = null;
      for (let b = 0; b < state.length; b++) {
        if (state[b] === 2) {
          if (part && segmentOf[part[0]] !== segmentOf[b]) part = null;
          if (!part) parts.push(part = []);
          part.push(b);
        } else if (state[b] === 1 || gaps && gaps[b]) part = null;
      }
      return parts;
    }

    """#
}
