/* What a mask logit does under naive and residual attention (chapter 5). No attributes. */
live.figure("fusion", function (host) {
  "use strict";
  const { COLOURS, chart, decimal, el, slider } = live.parts, M = (z) => 1 / (1 + Math.exp(-z));
  const plot = chart("The factor on T over the mask's logit, for naive and for residual attention");
  const finding = el("p", { class: "live-finding", role: "status" });

  function draw(z) {
    const m = M(z);
    finding.textContent = `At the logit ${decimal(z, 1)} the mask is ${m.toFixed(2)}. Naive attention passes ${m.toFixed(2)} of T and as much of T's gradient; residual attention ${(1 + m).toFixed(2)}.`;
    plot.draw({
      x: [-6, 6], y: [0, 2], at: z, ticks: { x: [-6, -3, 0, 3, 6], y: [0, 0.5, 1, 1.5, 2] },
      labels: { x: "mask logit z, with M = σ(z)", y: "factor on T" },
      curves: [{ name: "ARL: 1 + M", colour: COLOURS.arl, f: (v) => 1 + M(v) }, { name: "NAL: M", colour: COLOURS.nal, f: M }],
    });
  }

  host.append(finding, plot, slider("Mask logit z", { min: -6, max: 6, step: 0.1, value: -4, words: (z) => decimal(z, 1) }, draw));
  draw(-4);
});
