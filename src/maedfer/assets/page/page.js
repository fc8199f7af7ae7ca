// The page: one view and one cursor for all faces, and what moves them.

const SHORTEST = Math.min(DATA.duration, Math.max(4000, 4 * DATA.hop));
const PRINT_WIDTH = 860; // pixels; a little wider than paper, so that two faces fit on a page
const state = { a: 0, b: Math.max(1, DATA.duration), mode: "stacked", smooth: true, t: null, kept: null, printing: false };
const timelines = DATA.faces.map((face) => new Timeline(document.getElementById(`face-${face.track}`), new Series(face)));
const shown = () => timelines.filter((timeline) => !timeline.section.hidden);
const byId = (id) => document.getElementById(id);

let waiting = false, idling = false;
function redraw() {
  timelines.forEach((timeline) => { timeline.stale = true; });
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawNow(); });
}

function drawNow() {
  overview?.draw(shown(), state);
  const open = `${clock(state.a)} – ${clock(state.b)}`;
  for (const timeline of timelines) {
    if (timeline.stale && (state.printing || (timeline.visible && !timeline.section.hidden))) drawOne(timeline);
  }
  showRange(open);
  if (byId("zoom-all")) {
    byId("zoom-all").disabled = byId("zoom-out").disabled = state.b - state.a >= DATA.duration;
    byId("zoom-in").disabled = state.b - state.a <= SHORTEST;
  }
  pointAll();
  drawRest();
}

let saying = 0;
/** What is shown, in words; spoken only once the view has come to rest. */
function showRange(open) {
  const range = byId("range"), most = Math.max(1, ...timelines.map((timeline) => timeline.svg.dataset.group ?? 1));
  if (!range) return;
  const before = range.textContent;
  range.textContent = state.b - state.a >= DATA.duration ? `whole video, ${clock(DATA.duration)}` : open;
  if (most > 1) range.textContent += `, a point is the mean of ${most * DATA.every} judgements`;
  if (!before || before === range.textContent) return;
  clearTimeout(saying);
  saying = setTimeout(() => { byId("said").textContent = range.textContent; }, 600);
}

function drawOne(timeline) {
  const width = state.printing ? PRINT_WIDTH : Math.max(240, timeline.chart.clientWidth);
  timeline.draw({ a: state.a, b: state.b }, state.mode, state.smooth, width);
}

/** What is off the screen is drawn one face at a time, so that it is there when the reader comes. */
function drawRest() {
  const next = timelines.find((timeline) => timeline.stale && !timeline.section.hidden);
  if (idling || state.printing || !next) return;
  idling = true;
  setTimeout(() => {
    idling = false;
    if (next.stale && !state.printing) drawOne(next);
    drawRest();
  }, 30);
}

/** Point all faces; `held` stays where it is on the screen, however tall the tips above it become. */
function pointAll(held) {
  const top = held?.svg.getBoundingClientRect().top;
  const t = state.printing ? null : state.t ?? state.kept;
  const focused = document.activeElement; // reached by Tab, before the observer knows that it is on the screen
  for (const timeline of timelines) if (timeline.visible || state.printing || timeline.svg === focused) timeline.point(t);
  if (held) scrollBy({ top: held.svg.getBoundingClientRect().top - top, behavior: "instant" });
}

/** Show a to b, kept inside the video and no shorter than can be read. */
function look(a, b) {
  const length = Math.min(DATA.duration, Math.max(SHORTEST, b - a));
  const start = Math.min(Math.max(0, (a + b - length) / 2), DATA.duration - length);
  state.a = start;
  state.b = start + length;
  redraw();
}

/** Zoom by a factor around time t, which stays where it is on the screen. */
function zoom(factor, t = state.t ?? state.kept ?? (state.a + state.b) / 2) {
  const length = Math.min(DATA.duration, Math.max(SHORTEST, (state.b - state.a) * factor));
  const part = (Math.min(Math.max(t, state.a), state.b) - state.a) / (state.b - state.a);
  look(t - part * length, t - part * length + length);
}

function keep(t, held) {
  state.kept = t;
  state.t = null;
  remember();
  const length = state.b - state.a;
  if (t !== null && (t < state.a || t > state.b)) look(t - length / 2, t + length / 2);
  else pointAll(held);
}

let remembering = 0;
/** The kept moment stands in the address, so that a link can point at it; not at every step, which browsers slow down. */
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const mark = state.kept === null ? "" : `#t=${Math.round(state.kept) / 1000}`;
    if (mark === location.hash || (!mark && !location.hash.startsWith("#t="))) return;
    try {
      history.replaceState(null, "", mark || location.href.split("#")[0]);
    } catch { /* a page inside another has no address of its own */ }
  }, 250);
}

/** Keep the moment that the address names, or bring the face that it names. */
function readAddress() {
  const time = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
  if (time) keep(within(1000 * Number(time[1])));
  else tick(location.hash);
}

/** A link to a face that was put aside brings it back. */
function tick(hash) {
  const box = document.querySelector(`.glance input[data-track="${/^#face-(\d+)$/.exec(hash)?.[1]}"]`);
  if (!box || box.checked) return;
  box.checked = true;
  readControls();
}

const within = (t) => Math.min(Math.max(t, 0), DATA.duration);

function onKey(event, timeline) {
  const step = Math.max(DATA.hop * DATA.every, (state.b - state.a) / 400), now = state.t ?? state.kept ?? state.a;
  const steps = { ArrowLeft: -step, ArrowRight: step, ArrowDown: -step, ArrowUp: step, PageUp: (state.b - state.a) / 10, PageDown: (state.a - state.b) / 10 };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in steps) keep(within(state.kept === null && state.t === null ? firstJudged(timeline) : now + steps[event.key] * (event.shiftKey ? 10 : 1)));
  else if (event.key === "Home") keep(0);
  else if (event.key === "End") keep(DATA.duration);
  else if (event.key === "+" || event.key === "=") zoom(0.5);
  else if (event.key === "-") zoom(2);
  else if (event.key === "0") look(0, DATA.duration);
  else return;
  event.preventDefault();
}

/** Where the keyboard starts: the middle of the first window in view. */
function firstJudged({ series }) {
  const i = lastAtMost(series.middle, state.a, series.count) + 1;
  return i < series.count && series.middle[i] <= state.b ? series.middle[i] : state.a;
}

/** Mouse and fingers on a timeline: point, click to keep, drag to move, two fingers to zoom. */
function listen(timeline) {
  const svg = timeline.svg, fingers = new Map();
  let start = null;
  svg.addEventListener("keydown", (event) => onKey(event, timeline));
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, event.clientX);
    svg.setPointerCapture(event.pointerId);
    start = { x: event.clientX, a: state.a, b: state.b, moved: fingers.size > 1 };
  });
  svg.addEventListener("pointermove", (event) => {
    const width = svg.getBoundingClientRect().width * timeline.width() / timeline.w;
    if (fingers.size === 2 && fingers.has(event.pointerId)) {
      const gap = () => { const [one, two] = [...fingers.values()]; return Math.max(10, Math.abs(one - two)); };
      const before = gap();
      fingers.set(event.pointerId, event.clientX);
      const [one, two] = [...fingers.values()];
      zoom(before / gap(), timeline.timeAt((one + two) / 2));
      return;
    }
    const whole = state.b - state.a >= DATA.duration;
    if (start && fingers.has(event.pointerId) && !whole && (start.moved || Math.abs(event.clientX - start.x) > 4)) {
      start.moved = true;
      svg.classList.add("panning");
      const shift = (start.x - event.clientX) / width * (start.b - start.a);
      state.t = null;
      look(start.a + shift, start.b + shift);
      return;
    }
    state.t = within(timeline.timeAt(event.clientX));
    pointAll(timeline);
  });
  const release = (event) => {
    if (event.type === "pointerup" && start && !start.moved) keep(within(timeline.timeAt(event.clientX)), timeline);
    fingers.delete(event.pointerId);
    start = null;
    svg.classList.remove("panning");
  };
  svg.addEventListener("pointerup", release);
  svg.addEventListener("pointercancel", release);
  svg.addEventListener("pointerleave", () => { state.t = null; pointAll(); });
  svg.addEventListener("wheel", (event) => onWheel(event, timeline.timeAt(event.clientX)), { passive: false });
}

/** With Ctrl (a pinch on a touchpad sends it too) the wheel zooms; without, it scrolls the page as everywhere. */
function onWheel(event, t, always = false) {
  if (event.ctrlKey || event.metaKey || always) zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY * (event.deltaMode ? 30 : 1) / 200))), within(t));
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    const shift = event.deltaX / timelines[0].width() * (state.b - state.a);
    look(state.a + shift, state.b + shift);
  } else return;
  event.preventDefault();
}

/** What the controls say, be it chosen now or restored by the browser. */
function readControls() {
  const chosen = (name) => document.querySelector(`#bar input[name=${name}]:checked`)?.value;
  state.mode = chosen("mode");
  state.smooth = chosen("values") !== "raw";
  for (const box of document.querySelectorAll(".glance input")) byId(`face-${box.dataset.track}`).hidden = !box.checked;
  redraw();
}

function listenToControls() {
  byId("zoom-in").addEventListener("click", () => zoom(0.5));
  byId("zoom-out").addEventListener("click", () => zoom(2));
  byId("zoom-all").addEventListener("click", () => look(0, DATA.duration));
  for (const input of document.querySelectorAll("#bar input")) {
    input.addEventListener("change", readControls);
  }
  for (const button of document.querySelectorAll(".moments button")) {
    button.addEventListener("click", () => {
      keep(Number(button.dataset.time));
      button.closest(".face").querySelector(".chart").scrollIntoView({ block: "nearest" });
    });
  }
  const boxes = [...document.querySelectorAll(".glance input")];
  boxes.forEach((box) => box.addEventListener("change", readControls));
  for (const link of document.querySelectorAll(".glance a")) link.addEventListener("click", () => tick(link.hash));
  byId("all-faces")?.addEventListener("click", () => { boxes.forEach((box) => { box.checked = true; }); readControls(); });
  byId("no-faces")?.addEventListener("click", () => { boxes.forEach((box) => { box.checked = false; }); readControls(); });
}

function listenToPrinter() {
  const closed = [];
  let before = {};
  addEventListener("beforeprint", () => {
    state.printing = true;
    before = { a: state.a, b: state.b };
    Object.assign(state, { a: 0, b: Math.max(1, DATA.duration) }); // paper cannot be zoomed out again
    document.querySelectorAll("details.brief:not([open])").forEach((details) => { details.open = true; closed.push(details); });
    timelines.forEach((timeline) => { timeline.stale = true; });
    drawNow();
  });
  addEventListener("afterprint", () => {
    state.printing = false;
    Object.assign(state, before);
    closed.splice(0).forEach((details) => { details.open = false; });
    redraw();
  });
}

let overview = null;
if (timelines.length) {
  overview = new Overview(byId("overview"), look);
  byId("overview").addEventListener("wheel", (event) => onWheel(event, overview.time(event.clientX), true), { passive: false });
  timelines.forEach(listen);
  listenToControls();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) timelines.find((timeline) => timeline.section === entry.target).visible = entry.isIntersecting;
    drawNow();
  }, { rootMargin: "300px" });
  timelines.forEach((timeline) => watch.observe(timeline.section));
  addEventListener("keydown", (event) => { if (event.key === "Escape") keep(null); });
  addEventListener("pageshow", readControls); // a browser that goes back restores boxes and buttons without an event
  addEventListener("resize", redraw);
  addEventListener("hashchange", readAddress);
  redraw();
  readAddress();
}
listenToPrinter();
