/* What a stack of equal masks leaves of a feature (chapter 7). No attributes. */
live.figure("depth", function (host) {
  "use strict";
  const { COLOURS, chart, el, slider } = live.parts, state = { m: 0.5, k: 6 };
  const plot = chart("The factor that a stack of masks puts on a feature, over the number of masks");
  const finding = el("p", { class: "live-finding live-tall", role: "status" });
  const words = (x) => x >= 0.01 ? Number(x.toPrecision(2)).toLocaleString("en") : x >= 0.001 ? x.toFixed(4) : x.toExponential(0).replace(/e-(\d+)/, (_, power) => ` · 10⁻${power.replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])}`);

  function draw() {
    const { m, k } = state;
    finding.textContent = `After ${k} mask${k > 1 ? "s" : ""} of ${m.toFixed(2)}, naive attention multiplies a feature by ${words(m ** k)}, residual attention alone by ${words((1 + m) ** k)}; normalisation sets the size anew.`;
    plot.draw({
      x: [0, 18], y: [1e-4, 1e4], log: true, at: k, steps: 90, ticks: { x: [0, 3, 6, 9, 12, 15, 18], y: [0.0001, 0.01, 1, 100, 10000] },
      labels: { x: "masks one after the other, k", y: "factor" },
      curves: [{ name: "ARL: (1 + M)ᵏ", colour: COLOURS.arl, f: (v) => (1 + m) ** v }, { name: "NAL: Mᵏ", colour: COLOURS.nal, f: (v) => m ** v }],
    });
  }

  host.append(finding, plot,
    slider("Every mask M", { min: 0.05, max: 0.95, step: 0.05, value: state.m, words: (v) => v.toFixed(2) }, (v) => { state.m = v; draw(); }),
    slider("Masks k", { min: 1, max: 18, value: state.k }, (v) => { state.k = v; draw(); }));
  draw();
});
