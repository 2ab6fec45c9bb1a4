/// Figures: a canvas with axes, a legend, a caption in words, and a table of the numbers.
extension ReportScript {
  static let charts = #"""
    // After eight lines the colours repeat with other dashes.
    const dashOf = index => dashes[(index + Math.floor(index / 8)) % dashes.length];
    const dashes = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 3], [10, 2, 2, 2]];
    const palettes = {
      light: ['#0060a8', '#c04a00', '#007a5a', '#a03a80', '#8a6a00', '#2a9fd0', '#5b5b5b',
        '#b00020'],
      dark: ['#6bb5f0', '#ff9a56', '#4fd0a8', '#e38fc4', '#e0c040', '#9adcff', '#b8b8b8',
        '#ff7a80'],
    };
    const darkness = matchMedia('(prefers-color-scheme: dark)');
    let printing = false;
    const colours = () => {
      const dark = darkness.matches && !printing;
      return {
        line: dark ? palettes.dark : palettes.light, text: dark ? '#d8d8d8' : '#333',
        grid: dark ? '#3a3a3a' : '#e3e3e3', back: dark ? '#1b1b1b' : '#fff',
        gap: dark ? '#a0503c' : '#d9876f', band: dark ? '#26303a' : '#eef3f8',
        contaminated: dark ? '#4a2a2a' : '#fbe6e2', mark: dark ? '#b9a2ff' : '#6a3fc0',
        warm: dark ? '#2c2c2c' : '#f4f4f4',
      };
    };
    const left = 74, right = 12, top = 8, bottom = 22;
    const figures = [];
    const watcher = new IntersectionObserver(entries => {
      for (const entry of entries) {
        entry.target.figure.visible = entry.isIntersecting;
        if (entry.isIntersecting) entry.target.figure.draw();
      }
    }, {rootMargin: '300px'});

    // A figure. Subclasses draw it (paint) and fill its table (fill).
    class Figure {
      constructor(title, height) {
        this.height = height;
        this.canvas = make('canvas', {height});
        this.canvas.setAttribute('role', 'img');
        this.legend = make('div', {className: 'legend'});
        this.caption = make('p', {className: 'caption'});
        this.body = make('div', {className: 'scroll'});
        this.details = make('details', {}, make('summary', {}, 'Table'), this.body);
        this.details.addEventListener('toggle', () => this.details.open && this.fill());
        this.heading = make('h4', {}, title);
        this.element = make('figure', {}, this.heading, this.canvas, this.legend,
          make('figcaption', {}, this.caption), this.details);
        this.element.figure = this;
        this.canvas.style.height = height + 'px';
        this.title = title;
        figures.push(this);
        watcher.observe(this.element);
      }
      say(text) {
        this.caption.textContent = visible(text);
        this.canvas.setAttribute('aria-label', visible(`${this.title}. ${text}`));
      }
      get width() { return Math.max(200, this.canvas.clientWidth || 600); }
      // Clears the canvas and sets it to CSS pixels.
      begin() {
        const ratio = printing ? 2 : devicePixelRatio || 1, width = this.width;
        this.canvas.width = Math.round(width * ratio);
        this.canvas.height = Math.round(this.height * ratio);
        const pen = this.canvas.getContext('2d');
        pen.setTransform(ratio, 0, 0, ratio, 0, 0);
        const colour = colours();
        pen.fillStyle = colour.back;
        pen.fillRect(0, 0, width, this.height);
        pen.font = '11px system-ui, sans-serif';
        pen.lineJoin = 'round';
        return {pen, colour, width};
      }
      draw() {
        if (!this.visible && !printing) return;
        this.paint();
        this.canvas.dataset.drawn = 1;
      }
      remove() {
        figures.splice(figures.indexOf(this), 1);
        this.element.remove();
      }
      rows(headings, rows, numeric = 1) {
        const most = 1000;
        const head = make('tr', {}, ...headings.map(text => make('th', {scope: 'col'}, text)));
        const lines = rows.slice(0, most).map(row => make('tr', {}, ...row.map((cell, index) => {
          const [text, value] = Array.isArray(cell) ? cell : [cell];
          const one = make(index ? 'td' : 'th', {className: index >= numeric ? 'n' : ''}, text);
          if (Number.isFinite(value)) one.dataset.v = value;
          return one;
        })));
        const name = make('caption', {}, this.title +
          (rows.length > most ? `: the first ${most} of ${rows.length} rows` : ''));
        this.body.replaceChildren(
          make('table', {}, name, make('thead', {}, head), make('tbody', {}, ...lines)));
      }
      key(entries) {
        const colour = colours();
        this.legend.replaceChildren(...entries.map(({text, hue, dash, value, title}) => {
          const swatch = make('canvas', {width: 52, height: 16, className: 'swatch'});
          const pen = swatch.getContext('2d');
          pen.scale(2, 2);
          pen.strokeStyle = colour.line[hue % 8];
          pen.lineWidth = 2.5;
          pen.setLineDash(dash || []);
          pen.beginPath();
          pen.moveTo(1, 4);
          pen.lineTo(25, 4);
          pen.stroke();
          return make('span', {title: title || ''}, swatch, make('bdi', {}, text),
            make('b', {}, value || ''));
        }));
      }
      yAxis(pen, colour, width, low, high, unit) {
        const bottomEdge = this.height - bottom;
        const y = value => bottomEdge - (value - low) / (high - low || 1) * (bottomEdge - top);
        pen.textAlign = 'right';
        pen.textBaseline = 'middle';
        for (const tick of ticks(low, high, Math.max(2, (bottomEdge - top) / 34), unit)) {
          pen.strokeStyle = colour.grid;
          pen.lineWidth = 1;
          pen.beginPath();
          pen.moveTo(left, Math.round(y(tick)) + 0.5);
          pen.lineTo(width - right, Math.round(y(tick)) + 0.5);
          pen.stroke();
          pen.fillStyle = colour.text;
          pen.fillText(shown(tick, unit), left - 6, y(tick));
        }
        return y;
      }
      xAxis(pen, colour, width, low, high, text) {
        const x = value => left + (value - low) / (high - low || 1) * (width - left - right);
        pen.textAlign = 'center';
        pen.textBaseline = 'top';
        for (const tick of ticks(low, high, Math.max(2, (width - left) / 90))) {
          pen.fillStyle = colour.text;
          pen.fillText(text(tick), x(tick), this.height - bottom + 5);
          pen.fillStyle = colour.grid;
          pen.fillRect(Math.round(x(tick)), this.height - bottom, 1, 4);
        }
        return x;
      }
    }

    const redraw = () => figures.forEach(figure => figure.draw());
    let waiting = 0;
    const soon = () => {
      if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; redraw(); });
    };
    addEventListener('resize', soon);
    darkness.addEventListener('change', soon);
    addEventListener('beforeprint', () => { printing = true; redraw(); });
    addEventListener('afterprint', () => { printing = false; redraw(); });

    // The bounds of an axis: they include 0 unless all values are far from it.
    function bounds(low, high) {
      if (!(low <= high)) return [0, 1];
      if (low >= 0 && low < high * 0.6) low = 0;
      if (high <= 0 && high > low * 0.6) high = 0;
      if (low === high && low === 0) return [0, 1];
      if (low === high) return [Math.min(0, low * 1.1), Math.max(0, high * 1.1)];
      const room = (high - low) * 0.04;
      return [low === 0 ? 0 : low - room, high === 0 ? 0 : high + room];
    }

    """#
}
