/** Refined windows that overlap, as one series: what `nem2e_tf.edge.windows` does. */
export class CrossFade {
  /** @param frames  length of the recording. */
  constructor(frames, layout) {
    this.outputs = layout.outputs;
    this.total = new Float64Array(frames * this.outputs);
    this.weight = new Float64Array(frames);
    this.until = 0;
    this.kernel = kernel(layout.frames);
  }

  /** Adds a window that begins at frame `start`: Float32Array (frames × outputs). */
  add(start, window) {
    const { outputs, total, weight } = this;
    const frames = window.length / outputs;
    for (let i = 0; i < frames; i++) {
      const fade = Math.min(i + 1, frames - i);
      weight[start + i] += fade;
      for (let c = 0; c < outputs; c++) {
        total[(start + i) * outputs + c] += fade * window[i * outputs + c];
      }
    }
    this.until = Math.max(this.until, start + frames);
  }

  /** The series so far: for every output, a number a frame. */
  envelopes() {
    const { outputs, total, weight, until, kernel } = this;
    const half = (kernel.length - 1) / 2;
    return Array.from({ length: outputs }, (_, c) => {
      const mean = Array.from({ length: until }, (_, i) => total[i * outputs + c] / weight[i]);
      return mean.map((_, i) =>
        kernel.reduce((sum, share, k) => {
          const j = Math.min(Math.max(i + k - half, 0), until - 1);
          return sum + share * mean[j];
        }, 0),
      );
    });
  }
}

/** The mean over a step's frames, centred: takes out the ripple that steps leave. */
function kernel(step) {
  if (step % 2) return Array(step).fill(1 / step);
  return [0.5 / step, ...Array(step - 1).fill(1 / step), 0.5 / step];
}
