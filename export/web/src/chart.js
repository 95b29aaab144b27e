/** One muscle's curves over the last seconds. */
import uPlot from "uplot";

/** The colours of `nem2e_tf.report.palette`. */
export const COLOURS = { simulated: "#8c8c8c", measured: "#000000", refined: "#c0392b" };

/** Seconds that a chart shows. */
export const SPAN = 5;

const HEIGHT = 150;

export class Chart {
  /** @param place  element that takes the chart, and whose width it follows. */
  constructor(place) {
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, __, now) => [Math.max(0, now - SPAN), Math.max(SPAN, now)] },
        y: { range: [0, 1.1] },
      },
      axes: [
        { size: 24, incrs: [1], ...AXIS, values: (_, ticks) => ticks.map((t) => `${t} s`) },
        { size: 34, incrs: [0.5], ...AXIS },
      ],
      series: [
        {},
        { stroke: COLOURS.simulated, width: 1, fill: `${COLOURS.simulated}40` },
        { stroke: COLOURS.measured, width: 1.5, dash: [5, 3] },
        { stroke: COLOURS.refined, width: 2 },
      ].map((series) => ({ ...series, points: { show: false } })),
    };
    this.plot = new uPlot(options, [[0], [null], [null], [null]], place);
    this.watch = new ResizeObserver(() => {
      this.plot.setSize({ width: place.clientWidth, height: HEIGHT });
    });
    this.watch.observe(place);
  }

  /** Draws times, simulated, measured and refined: a number a frame, null where there is none. */
  draw(curves) {
    this.plot.setData(curves);
  }

  remove() {
    this.watch.disconnect();
    this.plot.destroy();
  }
}

const AXIS = {
  stroke: "#5b6470",
  font: "11px system-ui, sans-serif",
  grid: { stroke: "#edf0f3", width: 1 },
  ticks: { show: false },
};
