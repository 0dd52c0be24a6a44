/* The backward signal through the product of mask and trunk: δ_T = w · δ_H, with w = M or 1 + M (chapter 6).
 * No attributes. The signal is made up; the mask is a bump that the reader moves.
 */
live.figure("backward", function (host) {
  "use strict";
  const { card, choice, colourBar, el, paintMap, picture, placed, slider } = live.parts, SIZE = 16;
  const state = { x: 4, y: 5, width: 2.5, residual: false };
  const bump = (u, v, x, y, width) => Math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * width ** 2));
  // two regions that send a signal back: right labels at (4, 5), wrong ones at (11, 10), with a fixed ripple of signs
  const signal = Float32Array.from({ length: SIZE * SIZE }, (_, p) => {
    const u = p % SIZE, v = Math.floor(p / SIZE);
    return (bump(u, v, 4, 5, 2.2) + bump(u, v, 11, 10, 2.2)) * Math.cos(1.9 * u + 1.3 * v);
  });
  const left = (p) => (p % SIZE) + Math.floor(p / SIZE) < SIZE - 1;

  const words = (before, of, after = "") => { const node = new DocumentFragment(); node.append(before, ...of ? ["δ", el("sub", {}, of)] : [], after); return node; };
  const views = [words("What comes back, ", "H"), words("The mask M: move it"), words("What the trunk gets, ", "T")].map((title) => ({ title, canvas: picture(title.textContent) }));
  const places = placed(views[1].canvas, "The mask. Arrow keys move its bump.", ({ x, y }) => { Object.assign(state, { x, y }); draw(); });
  const finding = el("p", { class: "live-finding", role: "status" });

  function draw() {
    const M = signal.map((_, p) => bump(p % SIZE, Math.floor(p / SIZE), state.x, state.y, state.width));
    const passed = signal.map((value, p) => (Number(state.residual) + M[p]) * value);
    const energy = (values, side) => values.reduce((sum, value, p) => sum + (left(p) === side ? value ** 2 : 0), 0);
    const share = [true, false].map((side) => Math.sqrt(energy(passed, side) / energy(signal, side)));
    paintMap(views[0].canvas, signal, SIZE, SIZE, "change", -2, 2);
    paintMap(views[1].canvas, M, SIZE, SIZE, "mask", 0, 1);
    paintMap(views[2].canvas, passed, SIZE, SIZE, "change", -2, 2);
    places.mark(state.x, state.y);
    const times = share.map((value) => value.toFixed(2));
    views[2].canvas.setAttribute("aria-label", `What the trunk gets: ${times[0]} times the signal of the upper left, ${times[1]} times that of the lower right`);
    finding.textContent = `The trunk gets ${times[0]} times the signal from the upper left, and ${times[1]} times that from the lower right. ` + (state.residual ? "With 1 + M the mask can raise a signal but not stop it: no factor is below 1." : "With M alone a closed mask stops it, whatever the signal was worth.");
  }

  host.append(finding,
    el("div", { class: "live-cards live-aligned" }, ...views.map(({ title, canvas }, i) => card(title, i === 1 ? places : canvas))),
    colourBar("change", "signal", "−2", "2"), colourBar("mask", "mask M", "0", "1"),
    choice("The trunk gets", [["naive", words("M · ", "H", " (NAL)")], ["residual", words("(1 + M) · ", "H", " (ARL)")]], "naive", (v) => { state.residual = v === "residual"; draw(); }),
    slider("Width of the mask", { min: 1, max: 8, step: 0.5, value: state.width, words: (v) => `${v} place${v === 1 ? "" : "s"}` }, (v) => { state.width = v; draw(); }));
  draw();
});
