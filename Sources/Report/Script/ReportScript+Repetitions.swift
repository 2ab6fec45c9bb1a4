/// Overlaid repetitions, their distribution, and one of their metrics against another.
extension ReportScript {
  static let repetitions = #"""
    // Overlays the repetitions of a series by the time since their start, with their median and
    // quartiles.
    class OverlayFigure extends Figure {
      constructor(name, normalised) {
        super(`${name} over the repetitions`, 220);
        this.points = 60;
        this.normalised = normalised;
        this.sides = [];
        for (const run of sampled) {
          const series = run.byName.get(name);
          if (!series) continue;
          const phases = new Map();
          for (const segment of run.segments) {
            if (segment.warmUp || segment.phase === undefined) continue;
            if (segment.status !== 'completed') continue;
            if (!phases.has(segment.phase)) phases.set(segment.phase, []);
            phases.get(segment.phase).push(segment);
          }
          for (const [phase, segments] of phases) {
            const text = [run.letter, phases.size > 1 ? phase : ''].filter(Boolean).join(' ');
            this.sides.push({run, series, segments, text: text || 'repetitions'});
          }
        }
        this.unit = this.sides.length ? this.sides[0].series.unit : '';
        const spans = this.sides.flatMap(({segments}) => segments.map(({t}) => t[1] - t[0]));
        this.end = normalised ? 1 : Math.max(1e-6, ...spans);
        for (const side of this.sides) this.count(side);
        const parts = this.sides.map(({text, median: line, segments}) => {
          const middle = median(line.filter(Number.isFinite));
          const contaminated = segments.filter(one => one.contaminated).length;
          return `${text}: ${counted(segments.length, 'repetition')}, ` +
            `median ${shown(middle, this.unit)}` +
            (contaminated ? `, ${contaminated} contaminated (dashed, not in the median)` : '');
        });
        this.say(`${parts.join('; ')}. The band is the range between the quartiles.`);
      }
      // Computes the value of each repetition at each point in time, their median and quartiles.
      count(side) {
        const {series, segments} = side, {data} = series;
        side.lines = segments.map(({t, b, contaminated, title}) => {
          const values = [];
          for (let i = 0; i < this.points; i++) {
            const spans = this.normalised ? 1 : this.end / (t[1] - t[0]);
            const share = (i + 0.5) / this.points * spans;
            const bucket = b[0] + Math.floor(share * (b[1] - b[0]));
            if (share >= 1 || !(share >= 0)) { values.push(NaN); continue; }
            let found = NaN;
            // An empty bucket lies between two samples: the next value is taken.
            for (let at = bucket; at < b[1] && data.state[at] !== 1; at++)
              if (data.state[at] === 2) { found = data.mid[at]; break; }
            values.push(found);
          }
          return {values, contaminated, title};
        });
        const clean = side.lines.filter(line => !line.contaminated);
        const at = (i, pick) => {
          const values = clean.map(line => line.values[i]).filter(Number.isFinite);
          return values.length * 2 > clean.length ? pick(values) : NaN;
        };
        const each = pick => Array.from({length: this.points}, (_, i) => at(i, pick));
        side.median = each(median);
        side.low = each(values => quantile(values, 0.25));
        side.high = each(values => quantile(values, 0.75));
        side.n = each(values => values.length);
      }
      paint() {
        const {pen, colour, width} = this.begin();
        const values = this.sides.flatMap(side => side.lines.flatMap(line => line.values))
          .filter(Number.isFinite);
        const low = values.reduce((a, b) => Math.min(a, b), Infinity);
        const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
        const x = this.xAxis(pen, colour, width, 0, this.normalised ? 100 : this.end / 1000,
          value => digits(Number(value.toPrecision(6))) + (this.normalised ? ' %' : ' s'));
        const y = this.yAxis(pen, colour, width, ...bounds(low, high), this.unit);
        const at = i => x((i + 0.5) / this.points * (this.normalised ? 100 : this.end / 1000));
        const line = values => {
          pen.beginPath();
          let joins = false;
          values.forEach((value, i) => {
            if (!Number.isFinite(value)) { joins = false; return; }
            pen[joins ? 'lineTo' : 'moveTo'](at(i), y(value));
            joins = true;
          });
          pen.stroke();
        };
        this.sides.forEach((side, index) => {
          pen.strokeStyle = pen.fillStyle = colour.line[index % 8];
          pen.globalAlpha = Math.max(0.08, Math.min(0.45, 12 / side.lines.length));
          pen.lineWidth = 1;
          for (const one of side.lines) {
            pen.setLineDash(one.contaminated ? [2, 3] : []);
            line(one.values);
          }
          pen.setLineDash([]);
          pen.globalAlpha = 0.18;
          pen.beginPath();
          const known = side.median.map((value, i) => i).filter(i => Number.isFinite(side.low[i]));
          known.forEach((i, n) => pen[n ? 'lineTo' : 'moveTo'](at(i), y(side.high[i])));
          known.reverse().forEach(i => pen.lineTo(at(i), y(side.low[i])));
          pen.fill();
          pen.globalAlpha = 1;
          pen.lineWidth = 2.5;
          pen.setLineDash(dashes[index % dashes.length]);
          line(side.median);
          pen.setLineDash([]);
        });
        this.key(this.sides.map((side, index) => ({
          text: `median of ${side.text}`, hue: index, dash: dashes[index % dashes.length],
        })));
      }
      fill() {
        const headings = [this.normalised ? 'percentage of the repetition' : 'since its start (s)'];
        for (const {text} of this.sides) headings.push(`${text} n`, '25 %', 'median', '75 %');
        const rows = [];
        for (let i = 0; i < this.points; i++) {
          const time = (i + 0.5) / this.points * this.end;
          const row = [this.normalised ? (time * 100).toFixed(1) + ' %' : (time / 1000).toFixed(4)];
          for (const {n, low, median: middle, high} of this.sides)
            row.push([String(n[i] || 0), n[i] || 0],
              ...[low[i], middle[i], high[i]].map(value => [shown(value, this.unit), value]));
          rows.push(row);
        }
        this.rows(headings, rows);
      }
    }

    const phaseSides = runs.flatMap(run => (run.phases || []).map(phase => ({
      run, phase, text: [run.letter, run.phases.length > 1 || !several ? phase.name : '']
        .filter(Boolean).join(' '),
      metrics: new Map(phase.metrics.map(([name, unit, text, middle, low, high]) =>
        [name, {name, unit, text, middle, low, high}])),
    })));
    const metricValues = (side, name) => {
      const one = side.metrics.get(name);
      return one ? one.values || (one.values = doubles(one.text)) : [];
    };

    // A dot for each repetition, the median and its interval.
    class StripFigure extends Figure {
      constructor(name) {
        const sides = phaseSides.filter(side => side.metrics.has(name));
        super(`${name} of each repetition`, top + bottom + sides.length * 44);
        this.sides = sides;
        this.name = name;
        this.unit = sides[0].metrics.get(name).unit;
        this.say(sides.map(side => {
          const {middle, low, high} = side.metrics.get(name);
          const interval = low === null ? '' :
            ` (95 % CI ${shown(low, this.unit)} to ${shown(high, this.unit)})`;
          return `${side.text}: median ${shown(middle, this.unit)}${interval}`;
        }).join('; ') + '. Crosses are contaminated repetitions.');
      }
      paint() {
        const {pen, colour, width} = this.begin();
        const all = this.sides.flatMap(side => metricValues(side, this.name))
          .filter(Number.isFinite);
        const low = all.reduce((a, b) => Math.min(a, b), Infinity);
        const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
        const room = (high - low || Math.abs(high) || 1) * 0.05;
        const x = this.xAxis(pen, colour, width, low - room, high + room,
          value => shown(value, this.unit));
        this.sides.forEach((side, index) => {
          const y = top + index * 44 + 22;
          pen.fillStyle = colour.text;
          pen.textAlign = 'right';
          pen.textBaseline = 'middle';
          pen.fillText(visible(side.text).slice(0, 12), left - 6, y);
          pen.strokeStyle = pen.fillStyle = colour.line[index % 8];
          pen.globalAlpha = 0.7;
          metricValues(side, this.name).forEach((value, i) => {
            if (!Number.isFinite(value)) return;
            // Equal values lie side by side.
            const at = y + (i * 7 % 5 - 2) * 4;
            if (side.phase.contaminated[i]) {
              pen.lineWidth = 1.5;
              pen.beginPath();
              pen.moveTo(x(value) - 3, at - 3);
              pen.lineTo(x(value) + 3, at + 3);
              pen.moveTo(x(value) - 3, at + 3);
              pen.lineTo(x(value) + 3, at - 3);
              pen.stroke();
            } else {
              pen.beginPath();
              pen.arc(x(value), at, 2.6, 0, 7);
              pen.fill();
            }
          });
          pen.globalAlpha = 1;
          const {middle, low: from, high: to} = side.metrics.get(this.name);
          pen.fillStyle = colour.text;
          pen.fillRect(x(middle) - 1, y - 15, 2, 30);
          if (from !== null) {
            pen.fillRect(x(from), y + 13, x(to) - x(from), 2);
            pen.fillRect(x(from) - 0.5, y + 10, 1, 8);
            pen.fillRect(x(to) - 0.5, y + 10, 1, 8);
          }
        });
      }
      fill() {
        this.rows(['phase', 'repetition', this.name, 'contaminated by'],
          this.sides.flatMap(side => metricValues(side, this.name).map((value, i) => [
            side.text, String(side.phase.repetitions[i]), [shown(value, this.unit), value],
            side.phase.contaminated[i],
          ])));
      }
    }

    // A scatter plot of two metrics, with a dot for each repetition.
    class ScatterFigure extends Figure {
      constructor(across, up) {
        super(`${up} against ${across}`, 300);
        Object.assign(this, {across, up});
        this.sides = phaseSides.filter(side => side.metrics.has(across) && side.metrics.has(up));
        this.units = [across, up].map(name =>
          (this.sides[0] || phaseSides[0]).metrics.get(name)?.unit || '');
        this.say(`${counted(this.pairs().length, 'repetition')} with both metrics. Rings are ` +
          'contaminated repetitions.');
      }
      pairs() {
        return this.sides.flatMap((side, index) => {
          const ups = metricValues(side, this.up);
          return metricValues(side, this.across).map((value, i) => ({
            index, x: value, y: ups[i], side, repetition: side.phase.repetitions[i],
            contaminated: side.phase.contaminated[i],
          }));
        }).filter(({x, y}) => Number.isFinite(x) && Number.isFinite(y));
      }
      paint() {
        const {pen, colour, width} = this.begin(), pairs = this.pairs();
        const range = key => {
          const all = pairs.map(pair => pair[key]);
          const low = Math.min(...all), high = Math.max(...all);
          const room = (high - low || Math.abs(high) || 1) * 0.06;
          return pairs.length ? [low - room, high + room] : [0, 1];
        };
        const x = this.xAxis(pen, colour, width, ...range('x'),
          value => shown(value, this.units[0]));
        const y = this.yAxis(pen, colour, width, ...range('y'), this.units[1]);
        for (const pair of pairs) {
          pen.fillStyle = pen.strokeStyle = colour.line[pair.index % 8];
          pen.globalAlpha = 0.8;
          pen.beginPath();
          pen.arc(x(pair.x), y(pair.y), 3.5, 0, 7);
          pen[pair.contaminated ? 'stroke' : 'fill']();
        }
        pen.globalAlpha = 1;
        this.key(this.sides.map((side, index) => ({text: side.text, hue: index})));
      }
      fill() {
        this.rows(['phase', 'repetition', this.across, this.up], this.pairs().map(pair => [
          pair.side.text, String(pair.repetition), [shown(pair.x, this.units[0]), pair.x],
          [shown(pair.y, this.units[1]), pair.y],
        ]));
      }
    }

    """#
}
