/// Stacked areas, and a heat map of CPUs.
extension ReportScript {
  static let areas = #"""
    // Stacked areas of medians.
    class StackFigure extends TimeFigure {
      constructor(title, lines, height = 168) {
        super(title, height, [lines[0].series.run]);
        this.lines = lines;
        this.describe();
        this.legends();
      }
      hue(index) { return index; }
      dash(index) { return dashOf(index); }
      paint() {
        const {pen, colour, width} = this.begin();
        const run = this.runs[0], {centre} = run;
        const sums = new Float64Array(run.buckets);
        for (const {series} of this.lines)
          for (let b = 0; b < run.buckets; b++)
            if (series.data.state[b] === 2) sums[b] += series.data.mid[b];
        let most = 0;
        for (let b = 0; b < run.buckets; b++)
          if (centre[b] >= view.from && centre[b] <= view.to) most = Math.max(most, sums[b]);
        const x = this.ground(pen, colour, width);
        const unit = this.lines[0].series.unit;
        const y = this.yAxis(pen, colour, width, ...bounds(0, most), unit);
        pen.save();
        pen.beginPath();
        pen.rect(left, 0, width - left - right, this.height - bottom + 1);
        pen.clip();
        const base = new Float64Array(run.buckets);
        this.lines.forEach(({series}, index) => {
          const over = base.slice(), {state, mid} = series.data;
          for (let b = 0; b < run.buckets; b++) if (state[b] === 2) over[b] += mid[b];
          pen.fillStyle = pen.strokeStyle = colour.line[index % 8];
          for (const part of stretches(series)) {
            const at = b => x(centre[b] / 1000);
            const ends = part.length > 1 ? [0, 0] : [-2, 2];
            pen.globalAlpha = 0.55;
            pen.beginPath();
            part.forEach((b, i) => pen[i ? 'lineTo' : 'moveTo'](at(b) + ends[0], y(over[b])));
            if (ends[1]) pen.lineTo(at(part[0]) + ends[1], y(over[part[0]]));
            for (let i = part.length - 1; i >= 0; i--)
              pen.lineTo(at(part[i]) + ends[1], y(base[part[i]]));
            if (ends[0]) pen.lineTo(at(part[0]) + ends[0], y(base[part[0]]));
            pen.fill();
            pen.globalAlpha = 1;
            pen.lineWidth = 1;
            pen.setLineDash(this.dash(index));
            pen.beginPath();
            part.forEach((b, i) => pen[i ? 'lineTo' : 'moveTo'](at(b), y(over[b])));
            pen.stroke();
            pen.setLineDash([]);
          }
          base.set(over);
        });
        pen.restore();
        this.over(pen, colour, width, x);
        this.legends();
      }
    }

    // A heat map with a row for each series, from 0 to 1.
    class HeatFigure extends TimeFigure {
      constructor(title, lines) {
        const row = Math.max(3, Math.min(18, Math.floor(360 / lines.length)));
        super(title, top + bottom + lines.length * row, [lines[0].series.run]);
        this.lines = lines;
        this.row = row;
        this.describe();
      }
      legends() {}
      paint() {
        const {pen, colour, width} = this.begin();
        const run = this.runs[0], {centre, segmentOf} = run;
        const x = this.ground(pen, colour, width);
        pen.textAlign = 'right';
        pen.textBaseline = 'middle';
        this.lines.forEach(({series, text}, index) => {
          const y = top + index * this.row;
          if (this.row > 9 || index % Math.ceil(12 / this.row) === 0) {
            pen.fillStyle = colour.text;
            pen.fillText(visible(text).slice(0, 12), left - 6, y + this.row / 2);
          }
          for (let b = 0; b < run.buckets; b++) {
            if (series.data.state[b] !== 2) continue;
            const segment = run.segments[segmentOf[b]], count = segment.b[1] - segment.b[0];
            const half = (segment.t[1] - segment.t[0]) / count / 2;
            const from = Math.max(left, x((centre[b] - half) / 1000));
            const to = Math.min(width - right, x((centre[b] + half) / 1000));
            if (to < left || from > width - right) continue;
            pen.globalAlpha = Math.max(0.04, Math.min(1, series.data.mid[b]));
            pen.fillStyle = colour.line[1];
            pen.fillRect(from, y, Math.max(1, to - from + 0.5), this.row - 1);
          }
          pen.globalAlpha = 1;
        });
        this.over(pen, colour, width, x);
        this.key([{text: 'the stronger the colour, the busier the CPU: 0 % to 100 %', hue: 1}]);
      }
    }

    // A series derived from others, bucket by bucket, by their medians.
    function derived(run, name, unit, stream, parts, formula) {
      const data = {
        low: new Float32Array(run.buckets).fill(NaN), mid: null, high: null,
        state: new Uint8Array(run.buckets),
      };
      for (let b = 0; b < run.buckets; b++) {
        const states = parts.map(part => part.data.state[b]);
        data.state[b] = states.every(one => one === 2) ? 2 : states.includes(1) ? 1 : 0;
        if (data.state[b] === 2) data.low[b] = formula(parts.map(part => part.data.mid[b]));
      }
      data.mid = data.high = data.low;
      return {name, unit, stream, run, meaning: `Derived from ${parts.length} metrics`, data};
    }

    """#
}
