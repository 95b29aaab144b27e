/** The page: plays a recording at its own pace, refines it as it goes, and draws the curves. */
import "uplot/dist/uPlot.min.css";
import "../page.css";
import { Chart, SPAN } from "./chart.js";
import { Steps, Windows } from "./live.js";
import { Recording, rmse } from "./recording.js";
import { memory, StdrNet } from "./stdr_net.js";

/** By form of the network, the folder of its graphs. */
const FORMS = { float32: "refiner/tflite/float32", int8: "refiner/tflite/int8-web" };

/** Steps of the network between windows. */
const HOP = 5;

/** Muscles that are drawn at first. */
const SHOWN = 4;

const element = (id) => document.getElementById(id);

class Page {
  constructor(recording) {
    this.recording = recording;
    this.hop = HOP * recording.layout.frames;
    this.networks = {};
    this.charts = new Map();
    this.playing = false;
  }

  get duration() {
    return this.recording.frames / this.recording.card.rate;
  }

  /** A recording to be refined from its start, in a form that is loaded when first asked for. */
  async live(form, hop = this.hop) {
    const { layout } = this.recording;
    this.networks[form] ??= StdrNet.load(FORMS[form], layout);
    const network = await this.networks[form];
    return layout.causal
      ? new Steps(network, this.recording)
      : new Windows(network, this.recording, hop);
  }

  /** Goes back to the start, with a form of the network. */
  async rewind(form = this.form) {
    this.form = form;
    this.run = await this.live(form);
    this.played = 0; // seconds
    this.envelopes = [];
    this.latencies = [];
    this.label();
    this.score();
    this.draw();
  }

  async choose(form) {
    const { playing } = this;
    this.pause();
    await this.rewind(form);
    if (playing) await this.play();
  }

  async play() {
    if (this.played >= this.duration) await this.rewind();
    this.playing = true;
    this.label();
    const { run } = this;
    let before = performance.now();
    while (this.playing && run === this.run) {
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

  /** Frames that have been played. */
  get frames() {
    return Math.floor(this.played * this.recording.card.rate + 1e-6);
  }

  async refine() {
    const { run } = this;
    const began = performance.now();
    const found = await run.advance(this.frames);
    // Another form may have been chosen meanwhile.
    if (!found || run !== this.run) return;
    this.latencies.push(performance.now() - began);
    this.envelopes = run.crossFade.envelopes();
    this.score();
  }

  draw() {
    const { card, muscles } = this.recording;
    const end = this.frames;
    const start = Math.max(0, end - SPAN * card.rate);
    const times = Array.from({ length: end - start }, (_, i) => (start + i) / card.rate);
    for (const [i, { chart }] of this.charts) {
      const { simulated, measured } = muscles[i];
      const refined = times.map((_, k) => this.envelopes[i]?.[start + k] ?? null);
      chart.draw([times, simulated.slice(start, end), measured.slice(start, end), refined]);
    }
    element("time").textContent = `${this.played.toFixed(1)} / ${this.duration.toFixed(1)} s`;
  }

  /** Writes latency, and errors over the time that has been refined. */
  score() {
    const errors = this.envelopes.map((refined, i) => {
      const { measured, simulated } = this.recording.muscles[i];
      return [simulated.slice(0, refined.length), refined].map((x) => rmse(measured, x));
    });
    const known = this.latencies.length > 0;
    const written = ([raw, refined]) => `${raw.toFixed(2)} → ${refined.toFixed(2)}`;
    const mean = (k) => errors.reduce((sum, pair) => sum + pair[k], 0) / errors.length;
    element("errors").textContent = known ? written([mean(0), mean(1)]) : "–";
    for (const [i, { error }] of this.charts) {
      error.textContent = known ? `RMSE ${written(errors[i])}` : "";
    }
    const median = this.latencies.toSorted((a, b) => a - b)[this.latencies.length >> 1];
    element("latency").textContent = known ? `${median.toFixed(median < 10 ? 1 : 0)} ms` : "–";
  }

  label() {
    const ended = this.played >= this.duration;
    element("play").textContent = this.playing ? "Pause" : ended ? "Again" : "Start";
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

/** Fills in what the page says and offers. */
function fill(page) {
  const { card, layout, name, synthetic, muscles } = page.recording;
  const step = layout.frames / card.rate;
  const pace = layout.causal
    ? `Every step of ${step} s is refined as it comes.`
    : `The last ${card.window} s are refined every ${HOP * step} s, and cross-faded with the` +
      " windows before.";
  element("about").textContent = `Refiner “${card.name}”. ${card.summary}`;
  element("origin").hidden = !synthetic;
  element("origin").textContent =
    `Synthetic: ${name}. Motion, simulated activity and the EMG called measured were made by` +
    " nem2e_tf. Nobody was recorded.";
  element("latency-of").textContent = layout.causal ? "A step takes" : "A window takes";
  element("notes").textContent =
    "Every curve is in shares of a maximum: measured and simulated of their own in this recording," +
    ` refined of the one that the refiner has learnt to expect. ${pace} RMSE is of all muscles, or` +
    " of the muscle drawn, over the time refined so far. All of it is computed by LiteRT.js on" +
    " this device; nothing is sent anywhere.";
  for (const form of Object.keys(FORMS)) {
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
  await page.rewind(Object.keys(FORMS)[0]);
  fill(page);
  /** For tests and the console. */
  window.nem2e = {
    /** Refines a window: rows of shares of activity to rows of envelopes, 0-1. */
    async refine(form, rows) {
      const { network } = await page.live(form);
      const refined = await network.refine(Float32Array.from(rows.flat()));
      const { outputs } = network.layout;
      return rows.map((_, i) => [...refined.subarray(i * outputs, (i + 1) * outputs)]);
    },
    /** Refines the recording, in windows so many frames apart: envelopes 0-1, a list a muscle. */
    async refineAll(form, hop) {
      const run = await page.live(form, hop);
      for (let played = 1; played <= page.recording.frames; played++) await run.advance(played);
      return run.crossFade.envelopes();
    },
    memory,
  };
} catch (error) {
  element("about").textContent = `This page could not be loaded: ${error.message}`;
  element("about").classList.add("wrong");
  throw error;
}
