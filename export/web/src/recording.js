/** A recording and its refiner; every curve that is drawn is in shares of a maximum. */
export class Recording {
  static async load() {
    const files = ["refiner/card.json", "refiner/exports.json", "recording.json"];
    const [card, exports, recording] = await Promise.all(
      files.map(async (file) => {
        const response = await fetch(file);
        if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
        return response.json();
      }),
    );
    return new Recording(card, exports.network, recording);
  }

  /**
   * @param card       the refiner's card.
   * @param layout     of its network, as `StdrNet.load` takes it.
   * @param recording  `name`, `synthetic`; `simulated`, activation 0-1, a row a frame in the order
   *                   of the card's inputs; `measured`, the same in the order of its outputs.
   */
  constructor(card, layout, { name, synthetic, simulated, measured }) {
    Object.assign(this, { card, layout, name, synthetic });
    this.frames = simulated.length;
    this.window = Math.min(this.frames, Math.round(card.window * card.rate));
    const maxima = card.inputs.map((input) => card.input_maximum[input]);
    const inputs = simulated.flatMap((row) => row.map((value, i) => value / maxima[i]));
    this.simulated = Float32Array.from(inputs);
    this.muscles = card.outputs.map((output, i) => ({
      name: output.replaceAll("_", " "),
      measured: ofOwn(measured.map((row) => row[i])),
      simulated: ofOwn(simulated.map((row) => row[card.inputs.indexOf(output)] ?? 0)),
    }));
  }

  /** What the network takes of some frames: (frames × inputs). */
  shares(start, end) {
    const { inputs } = this.layout;
    return this.simulated.subarray(start * inputs, end * inputs);
  }
}

/** A series in shares of its own maximum. */
function ofOwn(series) {
  const highest = Math.max(...series) || 1;
  return series.map((value) => value / highest);
}

/** Root mean square error of an estimate, over as many frames as it has. */
export function rmse(measured, estimate) {
  const squares = estimate.reduce((sum, value, i) => sum + (value - measured[i]) ** 2, 0);
  return Math.sqrt(squares / estimate.length);
}
