// What the cursor says of one face, and the small map of the whole video.

function element(name, className, parent) {
  const made = document.createElement(name);
  made.className = className;
  parent?.append(made);
  return made;
}

class Tip {
  constructor(box, series) {
    Object.assign(this, { box, series });
    const figure = element("figure", "", box);
    this.picture = element("img", "portrait", figure);
    this.picture.width = this.picture.height = 72;
    this.caption = element("figcaption", "", figure);
    this.answer = element("div", "tip-answer", box);
    const list = element("ol", "", box);
    this.list = list;
    this.rows = DATA.labels.map(() => {
      const row = element("li", "", list);
      const swatch = shape("rect", { width: 18, height: 12, rx: 2 }, shape("svg", { class: "swatch", viewBox: "0 0 18 12" }, row));
      const name = element("span", "", row);
      const bar = shape("rect", { height: "100%", rx: 2 }, shape("svg", { class: "length" }, row));
      return { swatch, name, bar, number: element("span", "", row) };
    });
    box.setAttribute("aria-hidden", "true"); // the slider says the same in words
  }

  hide() { this.box.hidden = true; }

  show(t, i, values) {
    this.box.hidden = false;
    this.box.dataset.time = Math.round(t);
    this.showPicture(t, i);
    const small = document.createElement("small");
    this.list.hidden = i < 0;
    this.answer.textContent = "";
    if (i < 0) {
      const rare = this.series.inGap(t);
      this.answer.textContent = rare ? "not judged" : "not in the picture";
      small.textContent = rare ? "seen too rarely around this time" : `nothing seen of face ${this.series.track} here`;
    } else {
      const label = this.series.answer(t);
      element("bdi", "", this.answer).textContent = labelOf(label);
      this.box.dataset.label = labelOf(label);
      small.textContent = `${clock(this.series.start[i])} – ${clock(this.series.end[i])}${this.rawWords(i, values)}`;
      this.sorted(i, values).forEach(([c, value], k) => {
        const row = this.rows[k];
        row.swatch.setAttribute("fill", fillOf(c));
        row.name.textContent = DATA.labels[c];
        row.bar.setAttribute("fill", fillOf(c));
        row.bar.setAttribute("width", `${value / 10}%`);
        row.number.textContent = percent(value, this.below(label, values));
      });
    }
    if (i < 0) delete this.box.dataset.label;
    this.box.classList.toggle("bare", i < 0);
    this.answer.append(small);
  }

  /** The answer is made of smoothed values; where raw ones are drawn, the tip says what these say. */
  rawWords(i, values) {
    if (values === this.series.smooth) return "";
    const [c, value] = this.sorted(i, values)[0];
    return `; raw: ${DATA.labels[c]} ${percent(value)}`;
  }

  /** Whether the values are those that did not reach the threshold. */
  below(label, values) { return label < 0 && values === this.series.smooth; }

  sorted(i, values) {
    return DATA.labels.map((_, c) => [c, values[i * CLASSES + c]]).sort((one, two) => two[1] - one[1]);
  }

  /** The picture nearest in time; one from outside the window is faded and says when it was taken. */
  showPicture(t, i) {
    const k = i < 0 ? -1 : this.series.pictureAt(t);
    this.picture.hidden = k < 0;
    this.caption.textContent = "";
    this.picture.parentElement.hidden = k < 0;
    if (k < 0) return;
    const taken = this.series.pictures[k], far = taken < this.series.start[i] - 2 || taken > this.series.end[i] + 2; // 2 ms: all three are rounded
    const source = `data:image/jpeg;base64,${this.series.jpegs[k]}`;
    if (this.picture.dataset.index !== String(k)) this.picture.src = source;
    this.picture.dataset.index = k;
    this.picture.dataset.time = taken;
    this.picture.alt = `face ${this.series.track} at ${clock(taken)}`;
    this.picture.classList.toggle("far", far);
    this.caption.textContent = far ? `picture of ${clock(taken, 0)}` : "";
  }

  place(x, width) {
    const own = this.box.offsetWidth;
    // Beside the time that stands on the cursor.
    const beside = x + 34 + own <= width ? x + 34 : x - 34 - own;
    const fits = beside >= 0;
    this.box.style.left = `${fits ? beside : Math.max(0, Math.min(x - own / 2, width - own))}px`;
    // Inside the screen where it can be; below the timeline where neither side has room.
    this.box.style.top = fits ? "30px" : `${FULL_HEIGHT + 4}px`;
    const over = this.box.getBoundingClientRect().bottom - innerHeight + 8;
    // A timeline below the screen keeps its tip: that may rise above it, not fly off to where the reader is now.
    if (fits && over > 0) this.box.style.top = `${Math.max(30 - over, 60 - this.box.offsetHeight)}px`;
  }

  words(t, i, values) {
    if (i < 0) return `${clock(t)}, ${this.series.inGap(t) ? "not judged" : "not in the picture"}`;
    const label = this.series.answer(t), raw = values === this.series.smooth ? "" : "raw: ";
    const likely = this.sorted(i, values).slice(0, 3).map(([c, value]) => `${DATA.labels[c]} ${percent(value, this.below(label, values))}`);
    return `${clock(t)}, ${labelOf(label)}; ${raw}${likely.join(", ")}`;
  }
}

class Overview {
  constructor(svg, move) {
    this.svg = svg;
    svg.addEventListener("pointerdown", (event) => this.grab(event, move));
  }

  time(clientX) {
    const box = this.svg.getBoundingClientRect();
    return (clientX - box.left) / box.width * DATA.duration;
  }

  draw(timelines, view) {
    this.view = view;
    const w = this.svg.clientWidth || 700, rows = Math.max(1, timelines.length);
    const row = Math.max(2, Math.min(11, 66 / rows)), height = Math.ceil(rows * row + 4);
    this.scale = w / DATA.duration;
    this.svg.setAttribute("viewBox", `0 0 ${w} ${height}`);
    this.svg.style.height = `${height}px`;
    const key = [w, ...timelines.map((timeline) => timeline.series.track)].join();
    if (key !== this.key) {
      this.key = key;
      this.svg.replaceChildren();
      timelines.forEach((timeline, k) => this.drawRow(timeline.series, 2 + k * row, row - 1, w));
      this.frame = shape("g", {}, this.svg);
    }
    this.drawFrame(w, height);
  }

  drawRow(series, y, height, w) {
    shape("rect", { x: 0, y, width: w, height, class: "row-paper" }, this.svg);
    for (const bar of series.bars(0, DATA.duration, w)) {
      shape("rect", { x: round(bar.start * this.scale), y, width: Math.max(0.8, round((bar.end - bar.start) * this.scale)), height, fill: fillOf(bar.label) }, this.svg);
    }
  }

  drawFrame(w, height) {
    this.frame.replaceChildren();
    const a = this.view.a * this.scale, b = this.view.b * this.scale;
    if (b - a > w - 1) return;
    const width = Math.max(8, b - a), left = Math.min(a, w - width);
    shape("rect", { x: 0, y: 0, width: left, height, class: "shade" }, this.frame);
    shape("rect", { x: left + width, y: 0, width: Math.max(0, w - left - width), height, class: "shade" }, this.frame);
    shape("rect", { x: left + 1, y: 1, width: Math.max(1, width - 2), height: height - 2, rx: 4, class: "brush" }, this.frame);
    for (const x of [left - 3, left + width - 3]) shape("rect", { x, y: height / 2 - 8, width: 6, height: 16, rx: 3, class: "grip" }, this.frame);
  }

  /** Drag the frame to move it, an end of it to stretch it, or elsewhere to choose a new part. */
  grab(event, move) {
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    const begin = this.time(event.clientX), view = { ...this.view }, near = 9 / this.svg.clientWidth * DATA.duration;
    const whole = view.b - view.a >= DATA.duration;
    const kind = whole ? "new" : Math.abs(begin - view.a) < near ? "left" : Math.abs(begin - view.b) < near ? "right" : begin > view.a && begin < view.b ? "move" : "new";
    let dragged = false;
    const drag = (next) => {
      const t = this.time(next.clientX);
      dragged ||= Math.abs(t - begin) > near / 3;
      if (!dragged) return;
      if (kind === "move") move(view.a + t - begin, view.b + t - begin);
      else if (kind === "left") move(Math.min(t, view.b), Math.max(t, view.b));
      else if (kind === "right") move(Math.min(t, view.a), Math.max(t, view.a));
      else move(Math.min(t, begin), Math.max(t, begin));
    };
    this.svg.onpointermove = drag;
    this.svg.onpointerup = this.svg.onpointercancel = () => {
      this.svg.onpointermove = this.svg.onpointerup = this.svg.onpointercancel = null;
      const half = (view.b - view.a) / 2;
      if (!dragged && kind === "new" && !whole) move(begin - half, begin + half);
    };
  }
}
