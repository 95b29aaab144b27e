/** A recording and its refiner; every series that is drawn is in shares of a largest value. */
import { CrossFade } from "./cross_fade.js";

export class Recording {
  static async load() {
    const files = ["card", "network", "recording"].map(async (name) => {
      const response = await fetch(`${name}.json`);
      if (!response.ok) throw new Error(`${name}.json: ${response.status} ${response.statusText}`);
      return response.json();
    });
    return new Recording(...(await Promise.all(files)));
  }

  /**
   * @param card       the refiner's card.
   * @param layout     of its network: `frames` of a step; `graphs`, `before` and `after`, see
   *                   `StdrNet.load`.
   * @param recording  `name`, `synthetic`; `simulated`, activation 0-1, a row a frame in the order
   *                   of the card's inputs; `measured`, the same in the order of its outputs.
   */
  constructor(card, layout, { name, synthetic, simulated, measured }) {
    Object.assign(this, { card, layout, name, synthetic });
    this.frames = simulated.length;
    this.window = Math.floor((card.window * card.rate) / layout.frames) * layout.frames;
    const scales = card.inputs.map((input) => card.input_maximum[input]);
    this.scaled = Float32Array.from(
      simulated.flatMap((row) => row.map((value, i) => value / scales[i])),
    );
    this.muscles = card.outputs.map((output, i) => ({
      name: output.replaceAll("_", " "),
      measured: inShares(measured.map((row) => row[i])),
      simulated: inShares(simulated.map((row) => row[card.inputs.indexOf(output)] ?? 0)),
    }));
  }

  /** First frames of the windows to refine, so many frames apart. */
  starts(hop) {
    const last = this.frames - this.window;
    const starts = [];
    for (let start = 0; start < last; start += hop) starts.push(start);
    return [...starts, last];
  }

  /** What the network takes of the window that begins at a frame: (frames × inputs). */
  windowAt(start) {
    const inputs = this.card.inputs.length;
    return this.scaled.subarray(start * inputs, (start + this.window) * inputs);
  }

  crossFade() {
    return new CrossFade(this.frames, this.muscles.length, this.layout.frames);
  }
}

function inShares(series) {
  const highest = Math.max(...series) || 1;
  return series.map((value) => value / highest);
}

/** Root mean square error of an estimate, over as many frames as it has. */
export function rmse(measured, estimate) {
  const squares = estimate.reduce((sum, value, i) => sum + (value - measured[i]) ** 2, 0);
  return Math.sqrt(squares / estimate.length);
}
