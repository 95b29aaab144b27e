/** The page: plays a recording at its own pace, refines it as it goes, and draws the curves. */
import "uplot/dist/uPlot.min.css";
import "../page.css";
import { Chart, SPAN } from "./chart.js";
import { Recording, rmse } from "./recording.js";
import { memory, StdrNet } from "./stdr_net.js";

/** The forms of the network: each is also the folder of its graphs. */
const FORMS = ["float32", "int8"];

/** Seconds between the windows that are refined while the recording plays. */
const HOP = 0.2;

/** Muscles that are drawn at first. */
const SHOWN = 4;

const element = (id) => document.getElementById(id);

class Page {
  constructor(recording) {
    this.recording = recording;
    this.networks = {};
    this.charts = new Map();
    this.form = FORMS[0];
    const { rate } = recording.card;
    const step = recording.layout.frames;
    this.starts = recording.starts(Math.max(1, Math.round((HOP * rate) / step)) * step);
    this.playing = false;
    this.rewind();
  }

  /** The network in a form, loaded when it is first asked for. */
  network(form) {
    this.networks[form] ??= StdrNet.load(form, this.recording.layout);
    return this.networks[form];
  }

  rewind() {
    this.played = 0; // seconds
    this.refined = this.recording.crossFade();
    this.envelopes = [];
    this.lastStart = -1;
    this.latencies = [];
  }

  get duration() {
    return this.recording.frames / this.recording.card.rate;
  }

  async play() {
    if (this.played >= this.duration) this.rewind();
    await this.network(this.form);
    this.playing = true;
    this.label();
    let before = performance.now();
    while (this.playing) {
      const now = await new Promise(requestAnimationFrame);
      // A page in the background gets no frames: it goes on from where it was.
      const elapsed = Math.min(Math.max(0, now - before), 100) / 1000;
      before = now;
      this.played = Math.min(this.played + elapsed, this.duration);
      await this.refine();
      this.draw();
      if (this.played >= this.duration) this.pause();
    }
  }

  pause() {
    this.playing = false;
    this.label();
  }

  /** Refines the newest whole window of what has been played. */
  async refine() {
    const { recording, refined, form } = this;
    const frames = Math.floor(this.played * recording.card.rate + 1e-6);
    const start = this.starts.findLast((first) => first + recording.window <= frames);
    if (start === undefined || start === this.lastStart) return;
    this.lastStart = start;
    const network = await this.network(form);
    const began = performance.now();
    const window = await network.refine(recording.windowAt(start));
    this.latencies.push(performance.now() - began);
    refined.add(start, window);
    this.envelopes = refined.envelopes();
    this.score();
  }

  draw() {
    const { rate } = this.recording.card;
    const end = Math.floor(this.played * rate + 1e-6);
    const start = Math.max(0, end - SPAN * rate);
    const times = Array.from({ length: end - start }, (_, i) => (start + i) / rate);
    for (const [i, { chart }] of this.charts) {
      const { simulated, measured } = this.recording.muscles[i];
      const refined = this.envelopes[i] ?? [];
      chart.draw(
        times,
        simulated.slice(start, end),
        measured.slice(start, end),
        times.map((_, k) => refined[start + k] ?? null),
      );
    }
    element("time").textContent = `${this.played.toFixed(1)} of ${this.duration.toFixed(1)} s`;
  }

  /** Latency and errors of the time that has been refined. */
  score() {
    const arrow = ([raw, refined]) => `${raw.toFixed(2)} → ${refined.toFixed(2)}`;
    const errors = this.envelopes.map((refined, i) => {
      const { measured, simulated } = this.recording.muscles[i];
      return [simulated.slice(0, refined.length), refined].map((x) => rmse(measured, x));
    });
    const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
    const known = errors.length > 0;
    element("errors").textContent = known
      ? arrow([0, 1].map((which) => mean(errors.map((pair) => pair[which]))))
      : "–";
    for (const [i, { error }] of this.charts) {
      error.textContent = known ? `RMSE ${arrow(errors[i])}` : "";
    }
    const sorted = this.latencies.toSorted((a, b) => a - b);
    element("latency").textContent = known
      ? `${sorted[sorted.length >> 1].toFixed(0)} ms, at most ${sorted.at(-1).toFixed(0)}`
      : "–";
  }

  label() {
    const ended = this.played >= this.duration;
    element("play").textContent = this.playing ? "Pause" : ended ? "Again" : "Start";
  }

  /** Starts anew with another form. */
  async choose(form) {
    const { playing } = this;
    this.pause();
    this.form = form;
    this.rewind();
    this.label();
    this.score();
    this.draw();
    if (playing) await this.play();
  }

  /** Draws a muscle, or no longer. */
  show(i, shown) {
    if (!shown) {
      const { chart, figure } = this.charts.get(i);
      chart.remove();
      figure.remove();
      this.charts.delete(i);
      return;
    }
    const { name } = this.recording.muscles[i];
    const figure = document.createElement("figure");
    figure.style.order = i;
    figure.innerHTML = "<figcaption><span></span><output></output></figcaption><div></div>";
    const [caption, place] = figure.children;
    caption.firstChild.textContent = name;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `measured, simulated and refined activity of ${name}`);
    element("charts").append(figure);
    this.charts.set(i, { chart: new Chart(place), figure, error: caption.lastChild });
    this.score();
    this.draw();
  }
}

/** A choice that is drawn as a button. */
function choice(type, group, text, checked, chosen) {
  const label = document.createElement("label");
  label.innerHTML = `<input type="${type}" name="${group}" /><span></span>`;
  const [input, shown] = label.children;
  shown.textContent = text;
  input.checked = checked;
  input.addEventListener("change", () => chosen(input.checked));
  element(group).append(label);
}

function fill(page) {
  const { card, name, synthetic, muscles } = page.recording;
  element("about").textContent = `Refiner “${card.name}”. ${card.summary}`;
  element("origin").hidden = !synthetic;
  element("origin").textContent =
    `Synthetic: ${name}. Motion, simulated activity and the EMG called measured were made by` +
    " nem2e_tf. Nobody was recorded.";
  element("latency-of").textContent = `A window of ${card.window} s takes`;
  element("notes").textContent =
    "Every curve is in shares of a maximum: measured and simulated of their own in this" +
    " recording, refined of the one that the refiner has learnt to expect. The last" +
    ` ${card.window} s are refined every ${HOP} s, and cross-faded with the windows before. All of` +
    " it is computed by LiteRT.js on this device; nothing is sent anywhere.";
  for (const form of FORMS) {
    choice("radio", "forms", form, form === page.form, () => page.choose(form));
  }
  element("play").addEventListener("click", () => (page.playing ? page.pause() : page.play()));
  document.querySelector("main").hidden = false;
  muscles.forEach((muscle, i) => {
    choice("checkbox", "muscles", muscle.name, i < SHOWN, (shown) => page.show(i, shown));
    if (i < SHOWN) page.show(i, true);
  });
}

try {
  const page = new Page(await Recording.load());
  await page.network(page.form);
  fill(page);
  /** For tests and the console. */
  window.nem2e = {
    /** Refines a window: rows of scaled activity to rows of activity, 0-1. */
    async refine(form, rows) {
      const refined = await (await page.network(form)).refine(Float32Array.from(rows.flat()));
      const outputs = page.recording.muscles.length;
      return rows.map((_, i) => [...refined.subarray(i * outputs, (i + 1) * outputs)]);
    },
    /** Refines the whole recording in windows so many frames apart: a series a muscle. */
    async refineAll(form, hop) {
      const { recording } = page;
      const network = await page.network(form);
      const refined = recording.crossFade();
      for (const start of recording.starts(hop)) {
        refined.add(start, await network.refine(recording.windowAt(start)));
      }
      return refined.envelopes();
    },
    memory,
  };
} catch (error) {
  element("about").textContent = `This page could not be loaded: ${error.message}`;
  element("about").classList.add("wrong");
  throw error;
}
