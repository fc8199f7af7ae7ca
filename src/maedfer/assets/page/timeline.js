// One face's timeline: probabilities, the bar of spans below, the time axis, and the cursor with its tip.

const PLOT = { left: 46, right: 10, top: 24, height: 150, gap: 21, bar: 28, axis: 24 };
const FULL_HEIGHT = PLOT.top + PLOT.height + PLOT.gap + PLOT.bar + PLOT.axis;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400];
const DASHES = ["", "9 3", "3 3", "9 3 3 3", "5 3", "14 4", "6 2 2 2 2 2", "14 3 3 3"];

function shape(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

const round = (number) => Math.round(number * 10) / 10;

class Timeline {
  constructor(section, series) {
    this.section = section;
    this.series = series;
    this.svg = section.querySelector("svg.timeline");
    this.chart = section.querySelector(".chart");
    this.tip = new Tip(section.querySelector(".tip"), series);
    this.svg.setAttribute("aria-valuemax", DATA.duration);
    this.visible = false;
    this.stale = true;
  }

  width() { return this.w - PLOT.left - PLOT.right; }
  x(t) { return PLOT.left + (t - this.view.a) / (this.view.b - this.view.a) * this.width(); }
  timeAt(clientX) {
    const box = this.svg.getBoundingClientRect();
    const x = (clientX - box.left) * this.w / box.width;
    return this.view.a + (x - PLOT.left) / this.width() * (this.view.b - this.view.a);
  }

  draw(view, mode, smoothed, width) {
    Object.assign(this, { view, mode, w: width, values: smoothed ? this.series.smooth : this.series.raw, stale: false });
    const svg = this.svg;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${FULL_HEIGHT}`);
    const clip = `clip-${this.series.track}`;
    shape("rect", { x: PLOT.left, y: 0, width: this.width(), height: FULL_HEIGHT }, shape("clipPath", { id: clip }, svg));
    const inside = shape("g", { "clip-path": `url(#${clip})` }, svg);
    this.drawPaper(inside);
    const { lists, group } = this.series.points(view.a, view.b, Math.max(60, this.width() / 2), this.values);
    svg.dataset.group = group;
    if (mode === "lines") this.drawLines(inside, lists); else this.drawAreas(inside, lists);
    this.drawSpans(inside);
    this.drawAxes(svg);
    this.cursor = shape("g", { class: "cursor" }, svg);
    if (mode === "lines") this.labelLines(svg, lists); else this.labelAreas(inside, lists);
    svg.append(this.cursor);
  }

  /** Where the face was away, where it was seen too rarely, and clean paper where it was judged. */
  drawPaper(parent) {
    const bar = PLOT.top + PLOT.height + PLOT.gap;
    const both = (a, b, attributes) => {
      const x = this.x(Math.max(a, this.view.a)), w = this.x(Math.min(b, this.view.b)) - x;
      if (!(w > 0)) return;
      shape("rect", { x: round(x), y: PLOT.top, width: round(w), height: PLOT.height, ...attributes }, parent);
      shape("rect", { x: round(x), y: bar, width: round(w), height: PLOT.bar, ...attributes }, parent);
    };
    both(0, DATA.duration, { fill: "url(#fill-away)", class: "away" });
    const gaps = this.series.gaps;
    for (let k = 0; k < gaps.length; k += 2) both(gaps[k], gaps[k + 1], { fill: "url(#fill-gap)", class: "gap" });
    for (const [, start, end] of this.series.runs) both(start, end, { class: "plot-paper" });
  }

  y(part) { return PLOT.top + PLOT.height * (1 - part); }

  drawAreas(parent, lists) {
    // A white seam between areas helps the eye, until there are so many points that it would hide them.
    const sparse = lists.reduce((sum, list) => sum + list.length, 0) < 120;
    for (const list of lists) {
      const floor = new Float32Array(list.length);
      for (let c = 0; c < CLASSES; c++) {
        const low = floor.slice();
        list.forEach((point, i) => { floor[i] += point.p[c]; });
        const up = list.map((point, i) => `${round(this.x(point.t))} ${round(this.y(floor[i]))}`);
        const down = list.map((point, i) => `${round(this.x(point.t))} ${round(this.y(low[i]))}`).reverse();
        shape("path", { d: `M${up.join("L")}L${down.join("L")}Z`, fill: fillOf(c), class: sparse ? "area sparse" : "area", "data-class": c }, parent);
      }
    }
  }

  /** A class is named inside its own area, where that is widest; too thin an area has its pattern and the legend. */
  labelAreas(parent, lists) {
    const points = lists.flatMap((list) => [...list, null]);
    for (let c = 0; c < CLASSES; c++) {
      const need = DATA.labels[c].length * 7 + 10;
      let best = { room: 17 };
      points.forEach((point, i) => {
        if (!point) return;
        const x = this.x(point.t);
        if (x < PLOT.left + need / 2 || x > this.w - PLOT.right - need / 2) return;
        const [low, high] = this.roomAround(points, i, c, need / 2);
        if (high - low > best.room) best = { room: high - low, x, y: (low + high) / 2 };
      });
      if (best.x === undefined) continue;
      shape("text", { x: round(best.x), y: round(best.y + 4), "text-anchor": "middle", class: "on", fill: DATA.inks[c], stroke: DATA.colours[c] }, parent, DATA.labels[c]);
    }
  }

  /** Top and bottom of the box that fits into class c's area for `reach` pixels on both sides of point i. */
  roomAround(points, i, c, reach) {
    let low = -Infinity, high = Infinity;
    for (const step of [-1, 1]) {
      let k = i;
      for (; ; k += step) {
        const point = points[k];
        if (!point) return [0, 0];
        let below = 0;
        for (let other = 0; other < c; other++) below += point.p[other];
        low = Math.max(low, this.y(below + point.p[c]));
        high = Math.min(high, this.y(below));
        if (high - low < 17) return [0, 0];
        if (Math.abs(this.x(point.t) - this.x(points[i].t)) >= reach) break;
      }
    }
    return [low, high];
  }

  drawLines(parent, lists) {
    const least = this.y(DATA.threshold / 1000);
    shape("line", { x1: PLOT.left, x2: this.w - PLOT.right, y1: least, y2: least, class: "least" }, parent);
    for (let c = 0; c < CLASSES; c++) {
      const d = lists.map((list) => "M" + list.map((point) => `${round(this.x(point.t))} ${round(this.y(point.p[c]))}`).join("L"));
      shape("path", { d: d.join(""), class: "curve casing" }, parent);
      shape("path", { d: d.join(""), stroke: DATA.colours[c], "stroke-dasharray": DASHES[c % DASHES.length], class: "curve", "data-class": c }, parent);
    }
  }

  /** Each line is named at the highest point in view at which no other name is in the way; the highest lines first. */
  labelLines(svg, lists) {
    const points = lists.flat().filter(({ t }) => t >= this.view.a && t <= this.view.b);
    const highest = (c) => points.filter(({ p }) => p[c] > 0.12).sort((one, two) => two.p[c] - one.p[c]);
    const lines = DATA.labels.map((label, c) => ({ label, c, peaks: highest(c) })).filter(({ peaks }) => peaks.length);
    const taken = [];
    for (const { label, c, peaks } of lines.sort((one, two) => two.peaks[0].p[two.c] - one.peaks[0].p[one.c])) {
      const half = label.length * 3.6 + 12;
      const places = peaks.slice(0, 60).map(({ t, p }) => ({
        x: Math.min(Math.max(this.x(t), PLOT.left + half), this.w - PLOT.right - half),
        y: Math.max(this.y(p[c]) - 7, PLOT.top + 12),
        half,
      }));
      const clear = (one) => !taken.some((two) => Math.abs(two.x - one.x) < two.half + half && Math.abs(two.y - one.y) < 15);
      const place = places.find(clear);
      if (!place) continue;
      taken.push(place);
      shape("rect", { x: round(place.x - half + 4), y: round(place.y - 8), width: 9, height: 9, rx: 2, fill: fillOf(c) }, svg);
      shape("text", { x: round(place.x - half + 17), y: round(place.y), class: "tag halo" }, svg, label);
    }
  }

  drawSpans(parent) {
    const y = PLOT.top + PLOT.height + PLOT.gap;
    for (const bar of this.series.bars(this.view.a, this.view.b, this.width())) {
      const a = this.x(bar.start), w = this.x(bar.end) - a;
      shape("rect", { x: round(a), y, width: Math.max(0.8, round(w - (w > 4 ? 1 : 0))), height: PLOT.bar, rx: w > 8 ? 3 : 0, fill: fillOf(bar.label), class: "span", "data-label": labelOf(bar.label) }, parent);
      const left = Math.max(a, PLOT.left), room = Math.min(a + w, this.w - PLOT.right) - left;
      const text = labelOf(bar.label);
      if (room < text.length * 7 + 8) continue;
      const attributes = { x: round(left + room / 2), y: y + 18, "text-anchor": "middle", class: bar.label < 0 ? "on tag" : "on" };
      shape("text", bar.label < 0 ? attributes : { ...attributes, fill: DATA.inks[bar.label], stroke: DATA.colours[bar.label] }, parent, text);
    }
  }

  drawAxes(svg) {
    shape("text", { x: PLOT.left, y: PLOT.top + PLOT.height + PLOT.gap - 6, class: "bar-name" }, svg, DATA.reworked ? `answer (${DATA.reworked})` : "answer");
    for (const part of [0, 0.5, 1]) {
      shape("line", { x1: PLOT.left, x2: this.w - PLOT.right, y1: this.y(part), y2: this.y(part), class: "grid" }, svg);
      shape("text", { x: PLOT.left - 6, y: this.y(part) + 4, "text-anchor": "end" }, svg, part === 1 ? "100\u00a0%" : String(100 * part));
    }
    const { a, b } = this.view, most = Math.max(2, this.width() / 90);
    const step = 1000 * (TICKS.find((tick) => (b - a) / 1000 / tick <= most) ?? 86400);
    const bottom = FULL_HEIGHT - PLOT.axis;
    for (let t = Math.ceil(a / step) * step; t <= b; t += step) {
      const x = round(this.x(t));
      shape("line", { x1: x, x2: x, y1: PLOT.top, y2: bottom + 5, class: "grid" }, svg);
      shape("text", { x, y: bottom + 18, "text-anchor": x > this.w - 30 ? "end" : "middle" }, svg, clock(t, step < 1000 ? 1 : 0));
    }
  }

  /** The cursor at time t on this face, or none for null. */
  point(t) {
    if (!this.cursor) return;
    this.cursor.replaceChildren();
    if (t === null || t < this.view.a || t > this.view.b) { this.tip.hide(); return; }
    const x = round(this.x(t)), i = this.series.windowAt(t), bottom = FULL_HEIGHT - PLOT.axis;
    if (i >= 0) {
      const from = Math.max(PLOT.left, this.x(this.series.from[i])), to = Math.min(this.w - PLOT.right, this.x(this.series.to[i]));
      if (to - from > 3) shape("rect", { x: round(from), y: PLOT.top, width: round(to - from), height: bottom - PLOT.top, class: "moment" }, this.cursor);
    }
    shape("line", { x1: x, x2: x, y1: PLOT.top - 4, y2: bottom }, this.cursor);
    const text = clock(t), w = text.length * 7.2 + 12;
    const left = Math.min(Math.max(x - w / 2, PLOT.left), this.w - PLOT.right - w);
    shape("rect", { x: round(left), y: 1, width: w, height: 20, rx: 5, class: "flag" }, this.cursor);
    shape("text", { x: round(left + w / 2), y: 15, "text-anchor": "middle", class: "flag-text" }, this.cursor, text);
    this.tip.show(t, i, this.values);
    this.tip.place(x * this.chart.clientWidth / this.w, this.chart.clientWidth);
    this.svg.setAttribute("aria-valuenow", Math.round(t));
    this.svg.setAttribute("aria-valuetext", this.tip.words(t, i, this.values));
  }
}
