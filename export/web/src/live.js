/** A recording refined while it is played; see `nem2e_tf.edge.windows` for whole recordings. */
import { CrossFade } from "./cross_fade.js";
import { Pass } from "./stdr_net.js";

/** Window after window, so many frames apart, each cross-faded with those before it. */
export class Windows {
  constructor(network, recording, hop) {
    Object.assign(this, { network, recording });
    this.crossFade = new CrossFade(recording.frames, network.layout);
    const last = Math.max(0, recording.frames - recording.window);
    this.starts = [...Array(Math.ceil(last / hop)).keys()].map((i) => i * hop).concat(last);
    this.newest = -1;
  }

  /** Refines the newest window in what has been played. True if there was one. */
  async advance(played) {
    const { window } = this.recording;
    const start = this.starts.findLast((first) => first + window <= played);
    if (start === undefined || start === this.newest) return false;
    this.newest = start;
    const simulated = this.recording.shares(start, start + window);
    this.crossFade.add(start, await this.network.refine(simulated));
    return true;
  }
}

/** Step after step, for a causal network. */
export class Steps {
  constructor(network, recording) {
    Object.assign(this, { network, recording });
    this.crossFade = new CrossFade(recording.frames, network.layout);
    this.pass = new Pass(network, recording.shares(0, recording.frames));
    this.encoded = this.decoded = 0;
  }

  /** Goes on to the newest step of what has been played. True if there was one. */
  async advance(played) {
    const { pass, recording } = this;
    const { frames, outputs, after } = this.network.layout;
    const ended = played >= recording.frames;
    const before = this.decoded;
    for (; this.encoded < (ended ? pass.steps : Math.floor(played / frames)); this.encoded++) {
      await pass.encode(this.encoded);
    }
    for (; this.decoded < (ended ? pass.steps : this.encoded - after); this.decoded++) {
      await pass.decode(this.decoded);
      const from = this.decoded * frames;
      const to = Math.min(from + frames, recording.frames);
      this.crossFade.add(from, pass.activity.subarray(from * outputs, to * outputs));
    }
    return this.decoded > before;
  }
}
