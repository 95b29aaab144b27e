/**
 * STDR-Net in LiteRT.js: the loops that its step graphs leave to their host.
 *
 *     forward_step   frames, hidden, carry                           to  hidden, carry, key
 *     backward_step  the same, from the last step to the first; a causal network has none
 *     start          encoded, of the first step                      to  hidden
 *     decode_step    encoded, keys, beyond, hidden, carry, activity  to  hidden, carry, activity
 *
 * A step is some frames. Its encoding is what both directions hold of it, its key the sum of what
 * both give. `decode_step` sees the steps from `before` its own to `after`; beyond the ends of a
 * window there are zeros, which attention is told to leave alone.
 */
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

/** By what is meant, the name of a graph's output. Inputs are named as above. */
const OUTPUTS = { hidden: "hidden_out", carry: "carry_out", key: "key", activity: "activity_out" };

/** What `beyond` adds to the energy of a step that is not there. */
const UNSEEN = -30;

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

/** One .tflite file: numbers by name in, numbers by name out. It keeps no state. */
class Graph {
  static async load(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
    await liteRt();
    const content = new Uint8Array(await response.arrayBuffer());
    return new Graph(await loadAndCompile(content, { accelerator: "wasm" }));
  }

  constructor(model) {
    this.model = model;
    this.shapes = new Map(model.getInputDetails().map(({ name, shape }) => [name, [...shape]]));
  }

  /** How many numbers an input takes. */
  size(input) {
    return this.shapes.get(input).reduce((product, length) => product * length, 1);
  }

  async run(values) {
    // Tensors live outside JavaScript's memory, and stay until they are deleted.
    const tensors = [];
    try {
      const inputs = {};
      for (const [name, shape] of this.shapes) {
        inputs[name] = new Tensor(values[name], shape);
        tensors.push(inputs[name]);
      }
      const results = await this.model.run(inputs);
      tensors.push(...Object.values(results));
      const told = {};
      for (const [meant, name] of Object.entries(OUTPUTS)) {
        if (name in results) told[meant] = results[name].toTypedArray();
      }
      return told;
    } finally {
      for (const tensor of tensors) tensor.delete();
    }
  }
}

/** A network in one form, such as float32. */
export class StdrNet {
  /**
   * @param folder  of the .tflite files.
   * @param layout  `graphs`, their names; `before` and `after`, the steps that attention sees to
   *                either side.
   */
  static async load(folder, { graphs, before, after }) {
    const loaded = await Promise.all(graphs.map((name) => Graph.load(`${folder}/${name}.tflite`)));
    const byName = Object.fromEntries(graphs.map((name, i) => [name, loaded[i]]));
    return new StdrNet(byName, before, after);
  }

  constructor(graphs, before, after) {
    Object.assign(this, { graphs, before, after });
  }

  /**
   * Refines a window.
   *
   * @param simulated  Float32Array (frames × inputs), whole steps, each channel divided by its
   *                   training maximum.
   * @returns Float32Array (frames × outputs), 0-1.
   */
  async refine(simulated) {
    const { forward_step, backward_step, start, decode_step } = this.graphs;
    const { before, after } = this;
    const seen = before + 1 + after;
    const folded = forward_step.size("frames");
    const features = start.size("encoded");
    const attention = decode_step.size("keys") / seen;
    const steps = simulated.length / folded;
    if (!Number.isInteger(steps)) throw new RangeError("a window is not a whole number of steps");

    const encoded = new Float32Array((before + steps + after) * features);
    const keys = new Float32Array((before + steps + after) * attention);
    const beyond = new Float32Array(before + steps + after).fill(UNSEEN);
    beyond.fill(0, before, before + steps);

    async function encode(graph, order, column) {
      const zeros = new Float32Array(graph.size("hidden"));
      let state = { hidden: zeros, carry: zeros };
      for (const i of order) {
        const frames = simulated.subarray(i * folded, (i + 1) * folded);
        const { key, ...next } = await graph.run({ frames, ...state });
        state = next;
        encoded.set(state.hidden, (before + i) * features + column);
        key.forEach((value, j) => (keys[(before + i) * attention + j] += value));
      }
    }
    const order = [...Array(steps).keys()];
    await encode(forward_step, order, 0);
    if (backward_step) await encode(backward_step, order.reverse(), forward_step.size("hidden"));

    const first = encoded.subarray(before * features, (before + 1) * features);
    let state = {
      ...(await start.run({ encoded: first })),
      carry: new Float32Array(decode_step.size("carry")),
      activity: new Float32Array(decode_step.size("activity")),
    };
    const width = state.activity.length;
    const activity = new Float32Array(steps * width);
    for (let i = 0; i < steps; i++) {
      state = await decode_step.run({
        encoded: encoded.subarray(i * features, (i + seen) * features),
        keys: keys.subarray(i * attention, (i + seen) * attention),
        beyond: beyond.subarray(i, i + seen),
        ...state,
      });
      activity.set(state.activity, i * width);
    }
    return activity;
  }
}
