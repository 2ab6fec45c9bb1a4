/// Adds the charts to the page, and makes its tables sortable.
extension ReportScript {
  static let page = #"""
    // Effects with their 95 % intervals, and a line at no effect.
    class EffectFigure extends Figure {
      constructor(letter, rows) {
        super(`${letter} against A: effects with 95 % intervals`, top + bottom + rows.length * 22);
        this.effects = rows;
        this.say(rows.slice(0, 6).map(([name, value, , , verdict]) =>
          `${name} ${value < 0 ? '' : '+'}${shown(value, '1')}, ${verdict}`).join('; ') + '.');
      }
      paint() {
        const {pen, colour, width} = this.begin();
        const ends = this.effects.flatMap(([, value, low, high]) => [value, low ?? value,
          high ?? value]);
        const low = Math.min(0, ...ends), high = Math.max(0, ...ends);
        const room = (high - low || 0.01) * 0.05, name = Math.min(260, width * 0.35);
        const x = value =>
          name + (value - low + room) / (high - low + 2 * room) * (width - name - right);
        const floor = this.height - bottom;
        pen.textBaseline = 'top';
        pen.textAlign = 'center';
        for (const tick of ticks(low - room, high + room, Math.max(2, (width - name) / 90))) {
          pen.fillStyle = tick === 0 ? colour.text : colour.grid;
          pen.fillRect(Math.round(x(tick)), top, 1, floor - top);
          pen.fillStyle = colour.text;
          pen.fillText(shown(tick, '1'), x(tick), floor + 5);
        }
        pen.textBaseline = 'middle';
        pen.textAlign = 'right';
        this.effects.forEach(([metric, value, from, to, verdict], index) => {
          const y = top + index * 22 + 11;
          pen.fillStyle = colour.text;
          const most = Math.floor(name / 6.4);
          metric = visible(metric);
          const text = metric.length > most ? metric.slice(0, most - 1) + '…' : metric;
          pen.fillText(text, name - 8, y);
          const plain = verdict === 'same' || verdict === 'undecided';
          pen.fillStyle = plain ? colour.line[6] : colour.line[1];
          if (from !== null && to !== null) pen.fillRect(x(from), y - 1.5, x(to) - x(from), 3);
          pen.beginPath();
          if (plain) pen.arc(x(value), y, 3.5, 0, 7);
          else pen.rect(x(value) - 4, y - 4, 8, 8);
          pen.fill();
        });
      }
      fill() {
        const cell = value => value === null ? ['–'] : [shown(value, '1'), value];
        this.rows(['metric', 'effect', 'low', 'high', 'verdict'], this.effects.map(row =>
          [row[0], cell(row[1]), cell(row[2]), cell(row[3]), row[4]]));
      }
    }

    function button(text, title, act) {
      const one = make('button', {type: 'button', title}, text);
      one.addEventListener('click', act);
      return one;
    }

    if (sampled.length) {
      const section = document.getElementById('charts');
      const chosen = make('div', {id: 'chosen'});
      const names = [...new Set(sampled.flatMap(run => [...run.byName.keys()]))];
      const add = name => {
        const made = [];
        const perRun = sampled.map(run => [run.byName.get(name)].filter(Boolean));
        for (const [series] of perRun)
          if (series && series.times) made.push(new WholeFigure(series));
        made.unshift(lineFigure(name, perRun));
        for (const figure of made.filter(Boolean)) {
          figure.heading.append(' ', button('remove', 'Remove this chart', () => figure.remove()));
          chosen.prepend(figure.element);
        }
      };
      const from = search(add, names, 'find', 'Find a metric, such as net rx');
      section.append(
        make('div', {className: 'bar'}, from,
          button('−', 'Zoom out (key -)', () => zoom(2)),
          button('+', 'Zoom in (key +)', () => zoom(0.5)),
          button('◀', 'Earlier (Page up)', () => pan(-0.5)),
          button('▶', 'Later (Page down)', () => pan(0.5)),
          button('All', 'Show everything (key 0)', () => look(...whole)), position),
        make('p', {className: 'hint'}, 'Drag to zoom, double-click to show everything. Keys on ' +
          'a chart: arrows move the cursor, + − 0 zoom, / finds a metric. Lines are medians of ' +
          'time buckets, bands reach from minimum to maximum. Hatched: no values.'),
        live, chosen, ...openingFigures().map(figure => figure.element));
      for (const run of sampled) {
        const causes = (run.gaps || []).map(([start, end, cause], index) => [
          seconds(start), seconds(end), run.streams[run.gapStreams[index]] || '', cause]);
        if (causes.length) {
          const figure = make('details', {}, make('summary', {},
            label(run, counted(causes.length + run.gapsLeftOut, 'gap'))));
          const body = make('tbody', {}, ...causes.slice(0, 500).map(row =>
            make('tr', {}, ...row.map(text => make('td', {}, text)))));
          const name = make('caption', {}, causes.length + run.gapsLeftOut > 500
            ? 'periods without values, the first 500' : 'periods without values');
          figure.append(make('div', {className: 'scroll'}, make('table', {}, name, make('thead', {},
            make('tr', {}, ...['from', 'to', 'collector', 'cause'].map(text =>
              make('th', {scope: 'col'}, text)))), body)));
          section.append(figure);
        }
        if (run.leftOut) section.append(make('p', {className: 'note'},
          label(run, `${counted(run.leftOut, 'more metric')}: lbsample export has all of them.`)));
      }
      section.hidden = false;
      look(...whole);
      addEventListener('keydown', event => {
        const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
        if (event.key !== '/' || isTyping || event.ctrlKey) return;
        event.preventDefault();
        document.getElementById('find').focus();
      });
    }

    const overlays = document.getElementById('overlays');
    const first = wanted => wanted.find(name => sampled.some(run => run.byName.has(name)));
    if (overlays && phaseSides.length) {
      const names = [...new Set(sampled.flatMap(run => [...run.byName.keys()]))];
      let figure = null, normalised = false;
      const start = first(['tree.sum_exec_runtime', 'cpu.user[all]']) || names[0];
      const space = make('div', {id: 'overlay'});
      const show = name => {
        if (figure) figure.remove();
        figure = new OverlayFigure(name, normalised);
        figure.name = name;
        space.replaceChildren(figure.element);
      };
      if (start) {
        const flip = make('input', {type: 'checkbox', id: 'normalised'});
        flip.addEventListener('change', () => {
          normalised = flip.checked;
          show(figure.name);
        });
        overlays.append(make('h3', {}, 'Overlaid'),
          make('div', {className: 'bar'}, search(show, names, 'overlay-find', 'Another metric'),
            make('label', {}, flip, ' as a percentage of each repetition')), space);
        show(start);
      }
      const moved = [...new Set(phaseSides.flatMap(side => [...side.metrics.keys()]))];
      const strips = make('div', {id: 'strips'});
      const strip = name => strips.prepend(new StripFigure(name).element);
      for (const name of ['cpu_time', 'wall_time']) if (moved.includes(name)) strip(name);
      if (!strips.childElementCount && moved.length) strip(moved[0]);
      overlays.append(make('h3', {}, 'Each repetition'),
        make('div', {className: 'bar'}, search(strip, moved, 'strip-find', 'Another metric')),
        strips);
      if (moved.length > 1) {
        const options = make('datalist', {id: 'moved'},
          ...moved.map(name => make('option', {value: name})));
        const inputs = ['x', 'y'].map(axis =>
          make('input', {id: `scatter-${axis}`, list: 'moved'}));
        inputs[0].value = moved.includes('user_time') ? 'user_time' : moved[1];
        inputs[1].value = moved[0];
        const area = make('div', {id: 'scatter'});
        let scatter = null;
        const plot = () => {
          if (!inputs.every(input => moved.includes(input.value))) return;
          if (scatter) scatter.remove();
          scatter = new ScatterFigure(inputs[0].value, inputs[1].value);
          area.replaceChildren(scatter.element);
        };
        for (const input of inputs) input.addEventListener('change', plot);
        overlays.append(make('h3', {}, 'One metric against another'), options,
          make('div', {className: 'bar'}, make('label', {}, 'x axis ', inputs[0]),
            make('label', {}, 'y axis ', inputs[1])), area);
        plot();
      }
      overlays.hidden = false;
    }

    (data.effects || []).forEach((rows, index) => {
      const table = document.getElementById(`compare-${index + 1}`);
      if (!rows.length || !table) return;
      const figure = new EffectFigure(String.fromCharCode(66 + index), rows);
      table.closest('.scroll').before(figure.element);
    });

    // Clicking on a table's heading sorts it, typing filters it.
    for (const table of document.querySelectorAll('table.sortable')) {
      const body = table.tBodies[0], rows = [...body.rows];
      [...table.tHead.rows[0].cells].forEach((cell, column) => {
        const text = cell.textContent;
        let rising = false;
        cell.replaceChildren(button(text, `Sort by ${text}`, () => {
          rising = !rising;
          for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
          cell.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
          const key = row => {
            const one = row.cells[column];
            if (!one) return '';
            return one.dataset.v === undefined ? one.textContent : Number(one.dataset.v);
          };
          rows.sort((a, b) => {
            const [one, other] = [key(a), key(b)];
            // Rows without a number come last.
            if (typeof one !== typeof other) return typeof one === 'number' ? -1 : 1;
            const order = typeof one === 'number' ? one - other : one < other ? -1 : one > other;
            return rising ? order : -order;
          });
          body.append(...rows);
        }));
      });
      if (rows.length < 12) continue;
      const input = make('input', {type: 'search', placeholder: 'Filter rows'});
      input.setAttribute('aria-label', `Filter rows of ${table.caption.textContent}`);
      input.addEventListener('input', () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every(word => text.includes(word));
        }
      });
      table.closest('.scroll').before(make('div', {className: 'bar'}, input));
    }
    document.body.dataset.ready = figures.length;

    """#
}
