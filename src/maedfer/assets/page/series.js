"use strict";
// One face's numbers. Times are milliseconds, probabilities thousandths; see page_data.py for the packed form.

const DATA = JSON.parse(document.getElementById("maedfer-data").textContent);
const CLASSES = DATA.labels.length;

class Series {
  constructor(face) {
    this.track = face.track;
    this.unpackTimes(face.times);
    this.runs = triples(face.runs);
    this.ownTime();
    this.raw = Uint16Array.from(face.raw);
    this.smooth = face.smooth ? Uint16Array.from(face.smooth) : this.raw;
    this.spans = Int32Array.from(face.spans); // start, end, class, confidence
    this.gaps = face.gaps;
    this.pictures = face.pictures;
    this.jpegs = face.jpegs;
  }

  unpackTimes(packed) {
    const starts = [], ends = [];
    let start = 0;
    for (let k = 0; k < packed.length; k += 3) {
      for (let n = 0; n < packed[k + 2]; n++) {
        start += packed[k];
        starts.push(start);
        ends.push(start + packed[k + 1]);
      }
    }
    this.start = Float64Array.from(starts);
    this.end = Float64Array.from(ends);
    this.count = starts.length;
  }

  // Neighbours share their overlap, half each: from/to is the time that belongs to one window alone.
  ownTime() {
    this.from = this.start.slice();
    this.to = this.end.slice();
    this.middle = this.start.map((start, i) => (start + this.end[i]) / 2);
    this.runs.forEach(([first, , end], k) => {
      const last = (k + 1 < this.runs.length ? this.runs[k + 1][0] : this.count) - 1;
      for (let i = first; i < last; i++) this.to[i] = this.from[i + 1] = (this.end[i] + this.start[i + 1]) / 2;
      this.to[last] = end;
    });
  }

  /** The window that owns time t, -1 when the face was not judged then. */
  windowAt(t) {
    const i = lastAtMost(this.from, t, this.count);
    return i >= 0 && (t < this.to[i] || (t === this.to[i] && i === this.count - 1)) ? i : -1;
  }

  /** Class of the answer at a judged time t, -1 for unsure. The spans know it from unrounded numbers. */
  answer(t) {
    let low = 0, high = this.spans.length / 4 - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.spans[4 * middle] <= t) low = middle; else high = middle - 1;
    }
    return this.spans[4 * low + 2];
  }

  inGap(t) {
    for (let k = 0; k < this.gaps.length; k += 2) if (this.gaps[k] <= t && t < this.gaps[k + 1]) return true;
    return false;
  }

  /** Index of the picture nearest to t, -1 without pictures. */
  pictureAt(t) {
    const i = lastAtMost(this.pictures, t, this.pictures.length);
    if (i < 0) return this.pictures.length ? 0 : -1;
    return i + 1 < this.pictures.length && this.pictures[i + 1] - t < t - this.pictures[i] ? i + 1 : i;
  }

  /**
   * Points to draw between times a and b: one list per run of {t, p} with p summing to 1. When there are more windows
   * than columns, a point is the mean of a fixed group of windows, so that it stays the same while the view moves.
   */
  points(a, b, columns, values) {
    const inView = lastAtMost(this.from, b, this.count) - Math.max(0, lastAtMost(this.from, a, this.count)) + 1;
    const group = Math.max(1, Math.ceil(inView / columns));
    const lists = [];
    this.runs.forEach(([first, start, end], k) => {
      if (end < a || start > b) return;
      const last = (k + 1 < this.runs.length ? this.runs[k + 1][0] : this.count) - 1;
      const low = Math.max(first, lastAtMost(this.from, a, this.count) - group);
      const high = Math.min(last, lastAtMost(this.from, b, this.count) + group);
      const list = [];
      for (let i = first + Math.floor((low - first) / group) * group; i <= high; i += group) {
        list.push(this.mean(i, Math.min(last + 1, i + group), values));
      }
      if (list[0] && low === first) list.unshift({ t: start, p: list[0].p });
      if (high === last) list.push({ t: end, p: list[list.length - 1].p });
      lists.push(list);
    });
    return { lists, group };
  }

  mean(first, end, values) {
    const p = new Float32Array(CLASSES);
    for (let i = first; i < end; i++) for (let c = 0; c < CLASSES; c++) p[c] += values[i * CLASSES + c];
    const total = p.reduce((sum, value) => sum + value, 0) || 1;
    return { t: (this.middle[first] + this.middle[end - 1]) / 2, p: p.map((value) => value / total) };
  }

  /** Spans between a and b for a bar of so many pixels; where spans are finer than that, the longest label of each. */
  bars(a, b, pixels) {
    const bars = [];
    const step = (b - a) / pixels * 1.5;
    let column = null;
    const close = () => {
      if (!column) return;
      const label = [...column.time].sort((one, two) => two[1] - one[1])[0][0];
      const before = bars[bars.length - 1];
      if (before && before.end === column.start && before.label === label && before.mixed) before.end = column.end;
      else bars.push({ start: column.start, end: column.end, label, mixed: true });
      column = null;
    };
    for (let k = 0; k < this.spans.length; k += 4) {
      const start = this.spans[k], end = this.spans[k + 1], label = this.spans[k + 2];
      if (end < a || start > b) continue;
      if (column && (start > column.end || end - start >= step || column.end - column.start >= step)) close();
      if (end - start >= step) { bars.push({ start, end, label, mixed: false }); continue; }
      column ??= { start, end, time: new Map() };
      column.end = end;
      column.time.set(label, (column.time.get(label) ?? 0) + end - start);
    }
    close();
    return bars;
  }
}

function triples(numbers) {
  return Array.from({ length: numbers.length / 3 }, (_, k) => numbers.slice(3 * k, 3 * k + 3));
}

/** Position of the last of `count` rising numbers that is at most `value`, -1 when none is. */
function lastAtMost(numbers, value, count) {
  let low = -1, high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numbers[middle] <= value) low = middle; else high = middle - 1;
  }
  return low;
}

const labelOf = (index) => (index < 0 ? "unsure" : DATA.labels[index]);
const fillOf = (index) => (index < 0 ? "url(#fill-unsure)" : `url(#fill-${index})`);

/** 0:04.5 or 1:02:03.5; `digits` after the second. */
function clock(ms, digits = 1) {
  const scale = 10 ** digits;
  const ticks = Math.round(ms / 1000 * scale);
  const seconds = Math.floor(ticks / scale) % 60, minutes = Math.floor(ticks / scale / 60) % 60;
  const hours = Math.floor(ticks / scale / 3600);
  const two = (number) => String(number).padStart(2, "0");
  const rest = digits ? "." + String(ticks % scale).padStart(digits, "0") : "";
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}${rest}` : `${minutes}:${two(seconds)}${rest}`;
}

/** Never 0 % for what is there, never 100 % for what is not all; rounded down where `unsure` must stay below the threshold. */
function percent(thousandths, unsure = false) {
  if (thousandths > 0 && thousandths < 10) return "<1\u00a0%";
  if (unsure) return `${Math.floor((thousandths === DATA.threshold ? thousandths - 1 : thousandths) / 10)}\u00a0%`;
  return `${thousandths > 990 && thousandths < 1000 ? 99 : Math.round(thousandths / 10)}\u00a0%`;
}
