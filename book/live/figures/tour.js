/* A guided tour through one Attention Module in eight steps, with what really passes through it for one picture.
 *
 *   data-network (default attention56_scenes), data-pictures (default scenes), data-picture, data-module
 */
live.figure("tour", async function (host, options) {
  "use strict";
  const { button, card, colourBar, decimal, el, gallery, overChannels, paintMap, paintPicture, picture, unpack } = live.parts;
  const [network, set] = await Promise.all([live.network(options.network || "attention56_scenes"), live.get(`pictures/${options.pictures || "scenes"}`)]);
  const pictures = unpack(set), name = options.module || "stage1.attention1", residual = network.config.fusion === "arl";
  const depth = network.config.poolings[Number(name[5]) - 1];
  let index = Number(options.picture || 0), step = 0, module, pixels;

  const size = (x) => `${x.C} channels of ${x.H} × ${x.W}`;
  const strength = (x) => ({ x, values: overChannels(x, -1, Math.abs), ramp: "features", words: "mean of |x| over channels" });
  const mean = (x, words, ramp = "mask") => ({ x, values: overChannels(x, -1), ramp, words });
  const span = (x) => { const values = overChannels(x, -1); return [Math.min(...values), Math.max(...values)].map((v) => decimal(v)); };
  // Each step: title, what it says, and the maps that it shows. The maps of one step share a scale.
  const STEPS = [
    ["The picture, and what the module gets of it", () => `Everything up to here has made ${size(module.input)} of the picture. One unit of the module has read them. Both branches start from this.`, () => [["picture", null], ["input of both branches", strength(module.input)]]],
    ["The trunk computes features", () => `The trunk branch computes T: ${size(module.trunk)}. It looks at small neighbourhoods and keeps full resolution.`, () => [["input", strength(module.input)], ["T", strength(module.trunk)]]],
    ["The mask branch steps back", () => `Beside it the mask branch pools ${depth} time${depth > 1 ? "s" : ""}, down to ${module.levels[depth - 1].H} × ${module.levels[depth - 1].W} places. A place there sees most of the picture.`, () => [["input", strength(module.input)], ...module.levels.slice(0, depth).map((x) => [`${x.H} × ${x.W}`, strength(x)])]],
    ["It comes back up", () => `Interpolation brings it back to ${module.input.H} × ${module.input.W}; skips add the detail of each level on the way. What comes out knows the whole and has a value for each place.`, () => module.levels.slice(depth - 1).map((x) => [`${x.H} × ${x.W}`, strength(x)])],
    ["The tail gives logits", () => `Two 1 × 1 convolutions give one number for each place and channel. Their mean over channels runs from ${span(module.logits).join(" to ")} here.`, () => [["logits", mean(module.logits, "mean over channels", "change")]]],
    ["A sigmoid makes them a mask", () => `M is between 0 and 1 at each of ${module.mask.data.length.toLocaleString("en")} numbers. Averaged over channels it runs from ${span(module.mask).join(" to ")}; beside the mean are the two channels that change most over the picture.`, () => [["M, mean", mean(module.mask, residual ? "how much M raises T here" : "how much of T passes here")], ...liveliest().map((c) => [`M, channel ${c + 1}`, { ...mean(module.mask, ""), values: overChannels(module.mask, c) }])]],
    ["Mask meets trunk", () => residual ? "The product is (1 + M) · T: where M is 0, T passes as it is; where M is 1, it is doubled. Nothing is lost." : "The product is M · T: where M is 0, nothing passes.", () => [["T", strength(module.trunk)], ["M, mean", mean(module.mask, residual ? "how much M raises T here" : "how much of T passes here")], [residual ? "(1 + M) · T" : "M · T", strength(module.product)]]],
    ["On to the next", () => `One more unit, and the module hands on ${size(module.output)}, the shape that it was given. The next module starts over with a mask of its own.`, () => [["product", strength(module.product)], ["output", strength(module.output)]]],
  ];

  function liveliest() {
    const { C, H, W, data } = module.mask, P = H * W;
    const spreads = Array.from({ length: C }, (_, c) => {
      const values = data.subarray(c * P, (c + 1) * P), middle = values.reduce((a, b) => a + b, 0) / P;
      return [values.reduce((a, b) => a + (b - middle) ** 2, 0), c];
    });
    return spreads.sort((a, b) => b[0] - a[0]).slice(0, 2).map(([, c]) => c);
  }

  const title = el("div", { class: "live-title" }), words = el("p", { role: "status" }), cards = el("div", { class: "live-cards live-four live-aligned" }), bars = el("div");
  const back = button("Back", () => go(step - 1)), next = button("Next", () => go(step + 1));
  const dots = el("div", { class: "live-row", role: "group", "aria-label": "Steps of the tour" }, back, ...STEPS.map(([name], i) => button(String(i + 1), () => go(i), { "aria-label": `Step ${i + 1}: ${name}` })), next);

  function go(to) {
    step = Math.min(Math.max(to, 0), STEPS.length - 1);
    back.setAttribute("aria-disabled", String(step === 0)); // not disabled: that would take the focus away
    next.setAttribute("aria-disabled", String(step === STEPS.length - 1));
    [...dots.children].slice(1, -1).forEach((each, i) => { each.setAttribute("aria-pressed", String(i === step)); });
    title.textContent = `${step + 1} of ${STEPS.length}. ${STEPS[step][0]}`;
    words.textContent = STEPS[step][1]();
    const shown = STEPS[step][2](), features = shown.filter(([, map]) => map && map.ramp === "features");
    const most = Math.max(...features.map(([, { values }]) => Math.max(...values)), 0);
    const used = {};
    cards.replaceChildren(...shown.map(([name, map]) => {
      const canvas = picture(name);
      if (!map) { paintPicture(canvas, pixels); return card("picture", canvas); }
      const { x, values, ramp } = map, extreme = Math.max(...values.map(Math.abs));
      const [low, high] = ramp === "features" ? [0, most] : ramp === "mask" ? [0, 1] : [-extreme, extreme];
      if (!used[ramp]) used[ramp] = [map.words, ...[low, high].map((v) => decimal(v, ramp === "mask" ? 0 : 2))];
      paintMap(canvas, values, x.H, x.W, ramp, low, high);
      canvas.setAttribute("aria-label", `${name}, ${map.words || "one channel"}, from ${decimal(Math.min(...values))} to ${decimal(Math.max(...values))}`);
      return card(name, canvas);
    }));
    bars.replaceChildren(...Object.entries(used).map(([ramp, [means, low, high]]) => colourBar(ramp, means, low, high)));
  }

  function choose(i) {
    index = i;
    pixels = pictures[i];
    module = network.run(pixels).modules.find((each) => each.name === name);
    go(step);
  }

  host.addEventListener("keydown", (event) => {
    if (event.target.closest(".live-gallery")) return;
    if (event.key === "ArrowRight") go(step + 1);
    if (event.key === "ArrowLeft") go(step - 1);
  });
  host.append(title, dots, words, cards, bars, gallery("Pictures of the tour", pictures, (i) => `Picture ${i + 1}, ${(set.pairs ? set.pairs[i] : [set.labels[i]]).map((k) => set.classes[k]).join(" and ")}`, index, choose));
  step = Number(options.step || 7) - 1;
  choose(index);
});
