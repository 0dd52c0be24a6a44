/* The Residual Attention Network in one file: the forward pass of the
 * package's CIFAR networks, from pixels to logits, without a library. What it
 * does with numbers stands in operations.js.
 *
 *   const network = new live.Network(exported); // by tools/live_weights.py
 *   const { logits, modules } = network.run(pixels); // 3 channels, 0 to 255
 *   network.run(pixels, { "stage1.attention1": 0 }); // with one mask replaced
 *
 * The names of the weights are PyTorch's. tests/test_live.py compares every
 * network that pages offer with PyTorch.
 */
(function (live) {
  "use strict";

  const {
    add, apply, channelMeans, convolve, fill, maxPool, multiply,
    normaliseRelu, resize, sigmoid,
  } = live.operations;

  // What stands for a mask: a number, "mean" (over places, each channel its
  // own), or another mask.
  function replacement(mask, by) {
    const P = mask.H * mask.W, means = channelMeans(mask);
    if (typeof by === "number") return apply(mask, () => by);
    if (by === "mean") return apply(mask, (_, i) => means[Math.floor(i / P)]);
    if (by.data.length !== mask.data.length)
      throw new Error(`a mask has ${mask.data.length} numbers here`);
    return live.map(mask.C, mask.H, mask.W, Float32Array.from(by.data));
  }

  live.Network = class {
    constructor(exported) {
      Object.assign(this, exported); // name, config, classes, mean, std, …
      this.weights = live.decodeWeights(exported);
    }

    conv(x, name, stride = 1) {
      return convolve(x, this.weights[name + ".weight"], stride);
    }

    normRelu(x, name) {
      const { weights } = this;
      const scale = weights[name + ".scale"];
      return normaliseRelu(x, scale, weights[name + ".shift"]);
    }

    // The pre-activation bottleneck: 1 × 1, 3 × 3, 1 × 1, each after BN and
    // ReLU, plus the shortcut (chapter 3).
    unit(x, name, stride = 1) {
      const a = this.normRelu(x, name + ".bn1");
      let y = this.conv(a, name + ".conv1");
      y = this.conv(this.normRelu(y, name + ".bn2"), name + ".conv2", stride);
      y = this.conv(this.normRelu(y, name + ".bn3"), name + ".conv3");
      const projects = name + ".projection.weight" in this.weights;
      return add(y, projects ? this.conv(a, name + ".projection", stride) : x);
    }

    chain(x, name) {
      for (let i = 0; `${name}.${i}.conv1.weight` in this.weights; i++)
        x = this.unit(x, `${name}.${i}`);
      return x;
    }

    // Bottom-up, top-down, up to the mask's logits (chapter 4). `levels` keeps
    // what passes, for the figures.
    maskLogits(x, name, depth, levels) {
      const sizes = [], skips = [];
      for (let level = 0; level < depth; level++) {
        if (level > 0) skips.push(this.unit(x, `${name}.skips.${level - 1}`));
        sizes.push([x.H, x.W]);
        x = this.chain(maxPool(x), `${name}.down.${level}`);
        levels.push(x);
      }
      for (let level = depth - 1; level >= 0; level--) {
        x = resize(x, ...sizes[level]);
        if (level > 0) {
          x = this.chain(add(x, skips[level - 1]), `${name}.up.${level - 1}`);
        }
        levels.push(x);
      }
      x = this.conv(this.normRelu(x, name + ".tail.0"), name + ".tail.2");
      return this.conv(this.normRelu(x, name + ".tail.3"), name + ".tail.5");
    }

    // One Attention Module (chapter 5): both branches read the same input,
    // and neither reads the other.
    attention(x, name, depth, by) {
      const { fusion } = this.config, input = this.chain(x, name + ".pre");
      const trunk = this.chain(input, name + ".trunk"); // T
      const module = { name, input, trunk, product: trunk, levels: [] };
      if (fusion !== "none") {
        const { levels } = module;
        module.logits = this.maskLogits(input, name + ".mask", depth, levels);
        module.mask = sigmoid(module.logits); // M
        if (by !== undefined) module.mask = replacement(module.mask, by);
        const M = module.mask.data, one = fusion === "arl" ? 1 : 0;
        module.product = apply(trunk, (t, i) => (one + M[i]) * t);
      }
      module.output = this.chain(module.product, name + ".post");
      return module;
    }

    // The logits, and for each module input, trunk, mask, product and output.
    // `until` names a module after which to stop.
    run(pixels, masks = {}, until = null) {
      const { config, mean, std } = this, modules = [];
      let x = fill(3, pixels.H, pixels.W, (c, y, column) =>
        (pixels.data[(c * pixels.H + y) * pixels.W + column] / 255 - mean[c])
          / std[c]);
      x = this.conv(x, "stem.0", config.stem === "conv3_stride2" ? 2 : 1);
      for (const [index, depth] of config.poolings.entries()) {
        const stage = `stage${index + 1}`;
        x = this.unit(x, stage + ".unit1", index === 0 ? 1 : 2);
        for (let i = 1; i <= config.modules[index]; i++) {
          const name = `${stage}.attention${i}`;
          modules.push(this.attention(x, name, depth, masks[name]));
          if (name === until) return { modules };
          x = modules.at(-1).output;
        }
        for (let i = 2; i <= config.units[index]; i++)
          x = this.unit(x, `${stage}.unit${i}`);
      }
      const pooled = channelMeans(this.normRelu(x, "norm.0"));
      const { data, shape } = this.weights["classifier.weight"];
      const bias = this.weights["classifier.bias"].data;
      const logits = multiply(data, pooled, shape[0], shape[1], 1);
      return { logits: logits.map((value, k) => value + bias[k]), modules };
    }
  };
})((globalThis.live = globalThis.live || {}));
