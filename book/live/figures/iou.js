/* A threshold on a trunk's own activity, and its overlap with the true object (chapter 1).
 *
 *   data-network (default attention56_scenes_trunk), data-picture, data-module (default stage2.attention1)
 */
live.figure("iou", async function (host, options) {
  "use strict";
  const { COLOURS, card, chart, colourBar, el, gallery, overChannels, paint, paintMap, paintPicture, picture, slider, unpack } = live.parts;
  const [network, set] = await Promise.all([live.network(options.network || "attention56_scenes_trunk"), live.get("pictures/scenes")]);
  const pictures = unpack(set), truths = unpack(set, "objects"), size = set.size, name = options.module || "stage2.attention1";
  const state = { index: Number(options.picture || 0), threshold: 0.5, map: null };
  const label = (i) => `Scene ${i + 1}, ${set.classes[set.labels[i]]}`;

  // The module's trunk output: mean |T| over channels, each square as large as the picture has pixels for it, 0 to 1.
  function activity(x) {
    const T = network.run(x, {}, name).modules.find((module) => module.name === name).trunk, values = overChannels(T, -1, Math.abs);
    const low = Math.min(...values), high = Math.max(...values);
    return Float32Array.from({ length: size * size }, (_, p) => {
      const v = Math.floor(Math.floor(p / size) * T.H / size), u = Math.floor(p % size * T.W / size);
      return (values[v * T.W + u] - low) / (high - low);
    });
  }
  function overlap(threshold) {
    let both = 0, either = 0;
    truths[state.index].data.forEach((truth, p) => {
      const chosen = state.map[p] >= threshold;
      both += truth && chosen;
      either += truth || chosen;
    });
    return either ? both / either : 0;
  }
  const thresholds = Array.from({ length: 101 }, (_, i) => i / 100);
  const bestThreshold = () => thresholds.reduce((best, t) => overlap(t) > overlap(best) ? t : best, 0);

  const views = ["The picture", "|T|, from least to most", "The threshold against the object"].map((title) => ({ title, canvas: picture(title) }));
  const plot = chart("IoU over the threshold"), finding = el("p", { class: "live-finding", role: "status" });
  const threshold = slider("Threshold", { min: 0, max: 1, step: 0.01, value: 0.5, words: (v) => v.toFixed(2) }, (v) => { state.threshold = v; draw(); });

  function draw() {
    const x = pictures[state.index], truth = truths[state.index].data, P = size * size, best = bestThreshold();
    paintPicture(views[0].canvas, x);
    views[0].canvas.setAttribute("aria-label", label(state.index));
    paintMap(views[1].canvas, state.map, size, size, "features", 0, 1);
    paint(views[2].canvas, size, size, (p) => {
      const chosen = state.map[p] >= state.threshold, grey = 0.3 * (x.data[p] + x.data[P + p] + x.data[2 * P + p]) / 3;
      return truth[p] && chosen ? [0, 158, 115] : truth[p] ? [86, 180, 233] : chosen ? [230, 159, 0] : [grey + 30, grey + 30, grey + 30];
    });
    const here = overlap(state.threshold);
    views[2].canvas.setAttribute("aria-label", `IoU ${here.toFixed(2)}`);
    finding.textContent = `IoU ${here.toFixed(2)} at the threshold ${state.threshold.toFixed(2)}. The best threshold for this picture is ${best.toFixed(2)}, with ${overlap(best).toFixed(2)}; it needs the truth to be found.`;
    plot.draw({
      x: [0, 1], y: [0, 1], at: state.threshold, steps: 100, ticks: { x: [0, 0.25, 0.5, 0.75, 1], y: [0, 0.25, 0.5, 0.75, 1] },
      labels: { x: "threshold", y: "IoU" }, curves: [{ name: "IoU with the object", colour: COLOURS.trunk, f: overlap }],
    });
  }
  function choose(i) {
    state.index = i;
    state.map = activity(pictures[i]);
    draw();
  }

  const key = (colour, words) => el("span", {}, el("i", { class: "live-swatch", style: `background: ${colour}` }), words);
  host.append(finding, el("div", { class: "live-cards live-aligned" }, ...views.map(({ title, canvas }) => card(title, canvas))),
    el("div", { class: "live-legend" }, key("#009e73", "object, found"), key("#56b4e9", "object, missed"), key("#e69f00", "above the threshold, not the object")), colourBar("features", "|T|: mean over channels, in this picture", "least", "most"),
    threshold, plot, gallery("Scenes", pictures, label, state.index, choose));
  choose(state.index);
  threshold.set(state.threshold = bestThreshold());
  draw();
});
