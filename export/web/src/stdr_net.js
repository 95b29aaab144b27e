/**
 * STDR-Net in LiteRT.js: the loops that its graphs of one step leave to their host.
 *
 *     forward_step   frames, hidden, carry                           to  hidden, carry, key
 *     backward_step  frames, hidden, carry                           to  hidden, carry, key
 *     start          encoded                                         to  hidden
 *     decode_step    encoded, keys, beyond, hidden, carry, activity  to  hidden, carry, activity
 *
 * It is `nem2e_tf.edge.steps` once more, where the algorithm is explained.
 */
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

/** What all channels hold in a frame that fills up the last step. */
const PADDING = -1;

/** Added to the energy of steps that are not there, so that attention leaves them alone. */
const BEYOND = -30;

/** The build without threads and relaxed SIMD: any browser runs it, from any server. */
const RUNTIME = "wasm/litert_wasm_compat_internal.js";

let runtime;

/** Loads LiteRT.js, once. */
function liteRt() {
  if (!runtime) {
    // Its notes come as errors otherwise.
    globalThis.Module = { print: console.debug, printErr: console.debug };
    runtime = loadLiteRt(RUNTIME);
  }
  return runtime;
}

/** Bytes that LiteRT.js holds. */
export async function memory() {
  return (await liteRt()).liteRtWasm.HEAPU8.length;
}

/** One .tflite file: Float32Arrays by name in, Float32Arrays by name out. It keeps no state. */
class Graph {
  static async load(url) {
    const [response] = await Promise.all([fetch(url), liteRt()]);
    if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
    const content = new Uint8Array(await response.arrayBuffer());
    return new Graph(await loadAndCompile(content, { accelerator: "wasm" }));
  }

  constructor(model) {
    this.model = model;
  }

  async run(values) {
    // Tensors live outside JavaScript's memory, until they are deleted.
    const tensors = [];
    try {
      const inputs = {};
      for (const { name, shape } of this.model.getInputDetails()) {
        inputs[name] = new Tensor(values[name], [...shape]);
        tensors.push(inputs[name]);
      }
      const results = Object.entries(await this.model.run(inputs));
      tensors.push(...results.map(([, tensor]) => tensor));
      return Object.fromEntries(results.map(([name, tensor]) => [name, tensor.toTypedArray()]));
    } finally {
      for (const tensor of tensors) tensor.delete();
    }
  }
}

export class StdrNet {
  /** Loads the graphs in a folder; `layout` is `network` of exports.json. */
  static async load(folder, layout) {
    const names = ["forward_step", "start", "decode_step"];
    if (!layout.causal) names.push("backward_step");
    const graphs = await Promise.all(names.map((name) => Graph.load(`${folder}/${name}.tflite`)));
    return new StdrNet(Object.fromEntries(names.map((name, i) => [name, graphs[i]])), layout);
  }

  constructor(graphs, layout) {
    this.graphs = graphs;
    this.layout = layout;
  }

  /**
   * Refines a window.
   *
   * @param simulated  Float32Array (frames × inputs), each channel a share of its maximum.
   * @returns Float32Array (frames × outputs), 0-1.
   */
  async refine(simulated) {
    const { causal, inputs, outputs } = this.layout;
    const pass = new Pass(this, simulated);
    for (let i = 0; i < pass.steps; i++) await pass.encode(i);
    if (!causal) for (let i = pass.steps - 1; i >= 0; i--) await pass.encode(i, "backward_step");
    for (let i = 0; i < pass.steps; i++) await pass.decode(i);
    return pass.activity.subarray(0, (simulated.length / inputs) * outputs);
  }
}

/** A network's way over a series, step by step. */
export class Pass {
  constructor({ graphs, layout }, simulated) {
    const { inputs, frames, before, after, causal, encoder_units, attention_units } = layout;
    this.graphs = graphs;
    this.layout = layout;
    this.steps = Math.ceil(simulated.length / (frames * inputs));
    this.simulated = new Float32Array(this.steps * frames * inputs).fill(PADDING);
    this.simulated.set(simulated);
    this.activity = new Float32Array(this.steps * frames * layout.outputs);
    // What attention looks at: as many steps before and after the series as it sees.
    this.features = encoder_units * (causal ? 1 : 2);
    const rows = before + this.steps + after;
    this.encoded = new Float32Array(rows * this.features);
    this.keys = new Float32Array(rows * attention_units);
    this.beyond = new Float32Array(rows).fill(BEYOND);
    const zeros = new Float32Array(encoder_units);
    this.encoders = {
      forward_step: { hidden: zeros, carry: zeros },
      backward_step: { hidden: zeros, carry: zeros },
    };
  }

  /** Encodes step `i` in one direction, after the step before it in that direction. */
  async encode(i, graph = "forward_step") {
    const { before, encoder_units, attention_units } = this.layout;
    const frames = part(this.simulated, i, 1, this.simulated.length / this.steps);
    const { key, ...state } = await this.graphs[graph].run({ frames, ...this.encoders[graph] });
    this.encoders[graph] = state;
    const row = before + i;
    const column = graph === "forward_step" ? 0 : encoder_units;
    this.encoded.set(state.hidden, row * this.features + column);
    key.forEach((value, k) => (this.keys[row * attention_units + k] += value));
    this.beyond[row] = 0;
  }

  /** Decodes step `i`, after the step before it: its frames of `activity`. */
  async decode(i) {
    const { before, after, attention_units, decoder_units } = this.layout;
    const width = this.activity.length / this.steps;
    if (i === 0) {
      const { start } = this.graphs;
      const { hidden } = await start.run({ encoded: part(this.encoded, before, 1, this.features) });
      const carry = new Float32Array(decoder_units);
      this.decoder = { hidden, carry, activity: new Float32Array(width) };
    }
    const seen = before + 1 + after;
    this.decoder = await this.graphs.decode_step.run({
      encoded: part(this.encoded, i, seen, this.features),
      keys: part(this.keys, i, seen, attention_units),
      beyond: part(this.beyond, i, seen, 1),
      ...this.decoder,
    });
    this.activity.set(this.decoder.activity, i * width);
  }
}

/** Rows of a matrix that is kept as one array. */
function part(matrix, row, rows, width) {
  return matrix.subarray(row * width, (row + rows) * width);
}
