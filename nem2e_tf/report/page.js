// The reader chooses a time range and muscles. Without this the page shows all of both.
"use strict";
const SHORTEST = 0.2;
const figures = [...document.querySelectorAll("figure.time")];
const byId = (id) => document.getElementById(id);
const numbers = ({ start, end }) => ({ start: Number(start), end: Number(end) });
const whole = numbers(figures[0].dataset);
let view = whole;

/** Round steps, so many that their numbers do not touch. */
function ticks({ start, end }, width) {
  const least = ((end - start) * 55) / Math.max(width, 110);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((k) => k * power).find((candidate) => candidate >= least);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let k = Math.ceil(start / step - 1e-9); k * step <= end + 1e-9; k++) {
    found.push({ at: k * step, text: (k * step).toFixed(digits) });
  }
  return found;
}

function draw(figure) {
  const svg = figure.querySelector("svg");
  const { start, end } = numbers(figure.dataset);
  const unit = Number(svg.dataset.width) / (end - start);
  svg.setAttribute("viewBox", `${(view.start - start) * unit} 0 ${(view.end - view.start) * unit} 1000`);
  const labels = ticks(view, svg.clientWidth).map(({ at, text }) => {
    const label = document.createElement("span");
    label.textContent = text;
    label.style.left = `${(100 * (at - view.start)) / (view.end - view.start)}%`;
    return label;
  });
  figure.querySelector(".axis.bottom").replaceChildren(...labels);
}

/** Shows a range, as far as there is a recording; what is no range changes nothing. */
function look(start, end) {
  const from = Math.max(start, whole.start);
  const to = Math.min(end, whole.end);
  if (to - from >= SHORTEST - 1e-9) view = { start: from, end: to };
  figures.forEach(draw);
  byId("from").value = view.start.toFixed(2);
  byId("to").value = view.end.toFixed(2);
}

/** Sideways by a share of the range, which grows by a factor; at the ends as far as there is room. */
function step(shift, factor) {
  const now = view.end - view.start;
  const span = Math.min(Math.max(factor * now, SHORTEST), whole.end - whole.start);
  const start = (view.start + view.end) / 2 + shift * now - span / 2;
  const from = Math.min(Math.max(start, whole.start), whole.end - span);
  look(from, from + span);
}

const actions = {
  earlier: () => step(-0.5, 1),
  later: () => step(0.5, 1),
  closer: () => step(0, 0.5),
  wider: () => step(0, 2),
  whole: () => look(whole.start, whole.end),
};
const keys = {
  ArrowLeft: "earlier", ArrowRight: "later", "+": "closer", "=": "closer", "-": "wider", Escape: "whole",
};
for (const [id, act] of Object.entries(actions)) byId(id).addEventListener("click", act);
for (const id of ["from", "to"]) {
  byId(id).addEventListener("change", () => look(Number(byId("from").value), Number(byId("to").value)));
}

function time(svg, event) {
  const { left, width } = svg.getBoundingClientRect();
  const share = Math.min(Math.max((event.clientX - left) / width, 0), 1);
  return view.start + share * (view.end - view.start);
}

for (const figure of figures) {
  const svg = figure.querySelector("svg");
  const { start, end } = numbers(figure.dataset);
  const unit = Number(svg.dataset.width) / (end - start);
  let began = null;
  let selection = null;
  const stop = () => {
    selection?.remove();
    began = selection = null;
  };
  svg.addEventListener("pointerdown", (event) => {
    began = time(svg, event);
    svg.setPointerCapture(event.pointerId);
    selection = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    selection.setAttribute("class", "selection");
    selection.setAttribute("height", "1000");
    svg.append(selection);
  });
  svg.addEventListener("pointermove", (event) => {
    if (began === null) return;
    const [low, high] = [began, time(svg, event)].sort((a, b) => a - b);
    selection.setAttribute("x", (low - start) * unit);
    selection.setAttribute("width", (high - low) * unit);
  });
  svg.addEventListener("pointerup", (event) => {
    if (began === null) return;
    const [low, high] = [began, time(svg, event)].sort((a, b) => a - b);
    stop();
    // A click is no range.
    if (((high - low) / (view.end - view.start)) * svg.clientWidth > 8) look(low, high);
  });
  svg.addEventListener("pointercancel", stop);
  svg.addEventListener("dblclick", actions.whole);
  figure.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
}

const boxes = [...document.querySelectorAll("fieldset input")];
function choose() {
  for (const box of boxes) {
    for (const part of document.querySelectorAll(`[data-muscle="${box.value}"]`)) {
      part.hidden = !box.checked;
    }
  }
  figures.forEach(draw);
}
for (const box of boxes) box.addEventListener("change", choose);
for (const [id, checked] of [["all", true], ["none", false]]) {
  byId(id).addEventListener("click", () => {
    for (const box of boxes) box.checked = checked;
    choose();
  });
}

addEventListener("resize", () => figures.forEach(draw));
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
byId("tools").hidden = false;
look(whole.start, whole.end);
