/// Reads the page's data, formats numbers, and creates elements.
extension ReportScript {
  static let core = #"""
    // What is not printed, as marks of direction, is shown by its number, as elsewhere on the page.
    const unprinted = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
    const byNumber = (mark) => `\\u{${mark.codePointAt(0).toString(16).toUpperCase()}}`;
    const data = JSON.parse(document.getElementById('data').textContent, (key, value) =>
      typeof value === 'string' ? value.replace(unprinted, byNumber) : value);
    const runs = data.runs;

    // Shows invisible characters and those that change the writing direction as numbers.
    const hidden = /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
    const visible = text => String(text).replace(hidden, one =>
      `\\u{${one.codePointAt(0).toString(16).toUpperCase()}}`);

    // Creates an element with properties and children; texts become text nodes, never markup.
    function make(tag, properties, ...children) {
      const element = document.createElement(tag);
      for (const [name, value] of Object.entries(properties || {})) {
        const shown = name === 'title' ? visible(value) : value;
        if (name in element && name !== 'list') element[name] = shown;
        else element.setAttribute(name, shown);
      }
      element.append(...children.map(one => typeof one === 'string' ? visible(one) : one));
      return element;
    }

    function bytes(text) {
      const raw = atob(text);
      const out = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
      return out;
    }

    // Decodes the minimum, median and maximum of each bucket. state: 0 empty, 1 absent, 2 values.
    function envelope(text, count) {
      const raw = bytes(text), view = new DataView(raw.buffer);
      const low = new Float32Array(count).fill(NaN), mid = low.slice(), high = low.slice();
      const state = new Uint8Array(count);
      let index = 0, bucket = 0, last = -1;
      while (index < raw.length) {
        const kind = raw[index] >> 5;
        let length = (raw[index++] & 31) + 1;
        if (length === 32) {
          let shift = 1, byte;
          do {
            byte = raw[index++];
            length += (byte & 127) * shift;
            shift *= 128;
          } while (byte & 128);
        }
        for (let i = 0; i < length && bucket < count; i++, bucket++) {
          if (kind === 0) continue;
          if (kind === 1) { state[bucket] = 1; continue; }
          state[bucket] = 2;
          if (kind === 4) {
            low[bucket] = low[last]; mid[bucket] = mid[last]; high[bucket] = high[last];
          } else {
            low[bucket] = view.getFloat32(index, true);
            index += 4;
            if (kind === 3) {
              mid[bucket] = view.getFloat32(index, true);
              high[bucket] = view.getFloat32(index + 4, true);
              index += 8;
            } else mid[bucket] = high[bucket] = low[bucket];
          }
          last = bucket;
        }
      }
      return {low, mid, high, state};
    }

    // Decodes 64-bit numbers; NaN marks absent ones.
    const doubles = text => {
      const raw = bytes(text), view = new DataView(raw.buffer), out = [];
      for (let i = 0; i + 8 <= raw.length; i += 8) out.push(view.getFloat64(i, true));
      return out;
    };

    // The series of each run by name; envelopes are decoded when first needed.
    for (const [number, run] of runs.entries()) {
      run.number = number;
      run.buckets = run.segments && run.segments.length ? run.segments.at(-1).b[1] : 0;
      run.byName = new Map();
      for (const [name, unit, stream, meaning, text, times, values] of run.series || []) {
        const one = {name, unit, stream, run, meaning: run.meanings[meaning], times, values};
        Object.defineProperty(one, 'data', {
          get() { return this.kept || (this.kept = envelope(text, run.buckets)); },
        });
        run.byName.set(name, one);
      }
      run.centre = new Float64Array(run.buckets);
      run.segmentOf = new Uint16Array(run.buckets);
      for (const [index, segment] of (run.segments || []).entries()) {
        const [start, end] = segment.t, [first, behind] = segment.b;
        for (let b = first; b < behind; b++) {
          run.centre[b] = start + (end - start) * (b - first + 0.5) / (behind - first);
          run.segmentOf[b] = index;
        }
      }
      // The buckets within the gaps of each stream: no line crosses them.
      run.broken = new Map();
      for (const [index, [start, end]] of (run.gaps || []).entries()) {
        const stream = run.gapStreams[index];
        if (!run.broken.has(stream)) run.broken.set(stream, new Uint8Array(run.buckets));
        const broken = run.broken.get(stream);
        for (let b = 0; b < run.buckets; b++)
          if (run.centre[b] > start && run.centre[b] < end) broken[b] = 1;
      }
    }
    const sampled = runs.filter(run => run.buckets > 0);
    const several = runs.length > 1;
    const label = (run, text) => several ? `${run.letter}: ${text}` : text;

    // Formats numbers with four significant digits.
    const digits = value => {
      if (value === 0) return '0';
      const size = Math.abs(value);
      if (size >= 1e15 || size < 1e-6) return value.toExponential(2);
      const decimals = Math.max(0, Math.min(9, 3 - Math.floor(Math.log10(size))));
      const text = value.toFixed(size >= 1000 ? (Number.isInteger(value) ? 0 : 1) : decimals);
      return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
    };
    function scaled(value, step, names) {
      let index = 0;
      while (Math.abs(value) >= step * 0.9995 && index < names.length - 1) {
        value /= step;
        index++;
      }
      return digits(Number(value.toPrecision(4))) + (names[index] ? ' ' + names[index] : '');
    }
    function shown(value, unit) {
      if (!Number.isFinite(value)) return '–';
      const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
      switch (unit) {
      case '1': return digits(Number((value * 100).toPrecision(4))) + ' %';
      case 'bytes': return scaled(value, 1024, binary);
      case 'bytes/s': return scaled(value, 1024, binary) + '/s';
      case 'ns': return scaled(value, 1000, ['ns', 'µs', 'ms', 's']);
      case 'count': return digits(Number(value.toPrecision(6)));
      case 'count/s': return scaled(value, 1000, ['', 'k', 'M', 'G', 'T']) + '/s';
      case 'J/s': return digits(Number(value.toPrecision(4))) + ' W';
      default: return scaled(value, 1000, ['', 'k', 'M', 'G', 'T']) + (unit ? ' ' + unit : '');
      }
    }
    const counted = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`;
    const seconds = (ms, decimals = 3) => (ms / 1000).toFixed(decimals) + ' s';

    // Round numbers between two bounds; of bytes, multiples of a power of two.
    function ticks(low, high, most, unit = '') {
      const span = high - low;
      if (!(span > 0)) return [low];
      const rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
      const step = unit.startsWith('bytes') && rough >= 1 ? 2 ** Math.ceil(Math.log2(rough))
        : [1, 2, 5, 10].map(one => one * power).find(one => one >= rough * 0.999999);
      const out = [];
      for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step)
        out.push(Math.abs(tick) < step * 1e-9 ? 0 : tick);
      return out;
    }

    const median = values => {
      const sorted = values.slice().sort((a, b) => a - b), middle = sorted.length >> 1;
      if (!sorted.length) return NaN;
      return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    };
    const quantile = (values, share) => {
      const sorted = values.slice().sort((a, b) => a - b);
      return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1];
    };

    """#
}
