/** A recording's refined windows, which overlap, as one series: what `Refiner.refine` does. */
export class CrossFade {
  /**
   * @param frames    length of the recording.
   * @param channels  muscles.
   * @param step      frames that the network gives at once.
   */
  constructor(frames, channels, step) {
    this.channels = channels;
    this.total = new Float64Array(frames * channels);
    this.weight = new Float64Array(frames);
    this.until = 0;
    this.kernel = kernel(step);
  }

  /** Adds a window that begins at frame `start`: Float32Array (frames × channels). */
  add(start, window) {
    const { channels, total, weight } = this;
    const frames = window.length / channels;
    for (let i = 0; i < frames; i++) {
      const fade = Math.min(i + 1, frames - i);
      weight[start + i] += fade;
      for (let c = 0; c < channels; c++) {
        total[(start + i) * channels + c] += fade * window[i * channels + c];
      }
    }
    this.until = Math.max(this.until, start + frames);
  }

  /** The series so far: for every channel, a number a frame. */
  envelopes() {
    const { channels, total, weight, until, kernel } = this;
    const half = (kernel.length - 1) / 2;
    return Array.from({ length: channels }, (_, c) => {
      const mean = Array.from({ length: until }, (_, i) => total[i * channels + c] / weight[i]);
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
  const middle = Array(step - 1).fill(1 / step);
  return [0.5 / step, ...middle, 0.5 / step];
}
