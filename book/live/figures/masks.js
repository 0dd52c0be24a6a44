/* Activation, mask and product at every module, for one picture (chapters 2 and 10).
 *
 *   data-networks (default "attention56_scenes attention56_scenes_nal"), data-pictures (default scenes), data-picture,
 *   data-channel (default: the mean of all)
 */
live.figure("masks", async function (host, options) {
  "use strict";
  const { card, choice, colourBar, el, gallery, latest, overChannels, paintMap, paintPicture, picture, slider, unpack } = live.parts;
  const names = (options.networks || "attention56_scenes attention56_scenes_nal").split(" ");
  const set = await live.get(`pictures/${options.pictures || "scenes"}`), pictures = unpack(set);
  const label = (i) => set.labels ? `Picture ${i + 1}, ${set.classes[set.labels[i]]}` : `Picture ${i + 1}, ${set.pairs[i].map((k) => set.classes[k]).join(" and ")}`;
  const state = { index: Number(options.picture || 0), channel: Number(options.channel || 0) - 1 };
  let network;
  const rows = el("div", { class: "live-stack" }), finding = el("p", { class: "live-finding", role: "status" });
  const channel = slider("Channel", { min: 0, max: 1, value: 0, words: (v) => v === 0 ? "mean" : String(v) }, (v) => { state.channel = v - 1; draw(); });

  function draw() {
    const x = pictures[state.index], { logits, modules } = network.run(x), residual = network.config.fusion === "arl";
    channel.set(state.channel + 1, { max: Math.max(...modules.map((m) => m.trunk.C)) });
    const spread = [];
    const lines = modules.map((module) => {
      const { H, W, C } = module.trunk, c = Math.min(state.channel, C - 1), stage = module.name.split(".")[0].replace("stage", "Stage ");
      const T = overChannels(module.trunk, c, Math.abs), M = overChannels(module.mask, c), product = overChannels(module.product, c, Math.abs), most = Math.max(...T, ...product);
      const draws = [["|T|", T, "features", most], ["M", M, "mask", 1], [residual ? "(1\u00a0+\u00a0M)\u00a0·\u00a0|T|" : "M\u00a0·\u00a0|T|", product, "features", most]];
      spread.push(`${stage.toLowerCase()} ${Math.min(...M).toFixed(2)} to ${Math.max(...M).toFixed(2)}`);
      return el("div", { class: "live-cards live-aligned" }, ...draws.map(([title, values, ramp, high]) => {
        const canvas = paintMap(picture(`${stage}, ${title}: ${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`), values, H, W, ramp, 0, high);
        return card(`${stage}: ${title}${c < 0 ? "" : `, channel ${c + 1}`}`, canvas);
      }));
    });
    rows.replaceChildren(...lines);
    paintPicture(shown, x);
    shown.setAttribute("aria-label", label(state.index));
    const shares = live.softmax(logits), first = live.parts.best(shares);
    finding.textContent = `${label(state.index)}; the network says ${network.classes[first]} (${live.parts.percent(shares[first])}). The mask${state.channel < 0 ? ", averaged over channels," : ` in channel ${state.channel + 1}${modules.some((m) => m.mask.C <= state.channel) ? ", or the last of a stage that has fewer," : ""}`} runs over the places of ${spread.join(", of ")}.`;
    bar.set("mask", residual ? "M: how much M raises T here" : "M: how much of T passes here", "0", "1");
  }
  const shown = picture(""), bar = colourBar("mask", "");
  const start = latest((loaded) => { network = loaded; draw(); });

  host.append(
    el("div", { class: "live-row" }, el("div", { class: "live-small" }, shown), el("div", { class: "live-grow" }, finding)),
    rows, bar, colourBar("features", "|T| and what passes, each stage on a scale of its own", "0", "most"), channel,
    gallery("Pictures", pictures, label, state.index, (i) => { state.index = i; draw(); }),
    choice("Network", names.map((name) => [name, /nal/.test(name) ? "NAL" : "ARL"]), names[0], start));
  await start(names[0]);
});
