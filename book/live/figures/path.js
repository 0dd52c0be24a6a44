/* How the gradient grows along a chain of bottlenecks that hand on a share of their input (chapter 3). No attributes. */
live.figure("path", function (host) {
  "use strict";
  const { COLOURS, chart, el, slider } = live.parts, state = { s: 0.8, n: 20 }, kappa = 1 / (1 - 1 / Math.PI);
  const plot = chart("By how many powers of ten the gradient grows from the end of a chain to its input, over the number of units");
  const finding = el("p", { class: "live-finding live-tall", role: "status" });
  const words = (x) => Number(x.toPrecision(2)).toLocaleString("en", { maximumFractionDigits: 1 });

  // The recursion of the Deeper page: v is the variance of the features, the factor that of the gradient's mean square.
  function grown(s, n) {
    let v = 1, square = 1;
    for (let l = 0; l < n; l++) {
      square *= s * s + kappa * kappa / (4 * v);
      v = s * s * v + 1 / (4 * kappa);
    }
    return Math.sqrt(square);
  }

  function draw() {
    const { s, n } = state;
    finding.textContent = `Through ${n === 1 ? "1 unit that hands on" : `${n} units that hand on`} ${s.toFixed(2)} of ${n === 1 ? "its" : "their"} input, the gradient is multiplied by ${words(grown(s, n))} on its way back; with all of it handed on by ${words(grown(1, n))}, with nothing by ${words(grown(0, n))}.`;
    const power = (share) => (v) => Math.log10(grown(share, v));
    plot.draw({
      x: [0, 30], y: [-0.5, 8], at: n, steps: 30, ticks: { x: [0, 5, 10, 15, 20, 25, 30], y: [0, 2, 4, 6, 8] },
      labels: { x: "units", y: "growth, powers of ten" },
      curves: [{ name: `${s.toFixed(2)} handed on`, colour: COLOURS.trunk, f: power(s) }, { name: "nothing", colour: "currentColor", f: power(0) }, { name: "all", colour: COLOURS.skip, f: power(1) }],
    });
  }

  host.append(finding, plot,
    slider("Share of the input handed on, s", { min: 0, max: 1, step: 0.05, value: state.s, words: (v) => v.toFixed(2) }, (v) => { state.s = v; draw(); }),
    slider("Units n", { min: 1, max: 30, value: state.n }, (v) => { state.n = v; draw(); }));
  draw();
});
