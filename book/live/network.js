/* The Residual Attention Network in one file: the forward pass of the package's CIFAR networks, from pixels to logits.
 *
 *   const network = new live.Network(exported);          // `exported` is what tools/live_weights.py writes
 *   const { logits, modules } = network.run(pixels);     // pixels: a map of 3 channels, 0 to 255
 *   network.run(pixels, { "stage1.attention1": 0 });     // the same with one mask replaced
 *
 * A map is { C, H, W, data }: C channels of H × W numbers, one channel after the other, as in PyTorch. The names of the
 * weights are PyTorch's too. tests/test_live.py compares every network that the pages offer with PyTorch.
 */
(function (live) {
  "use strict";

  const map = (C, H, W, data) => ({ C, H, W, data: data || new Float32Array(C * H * W) });
  const apply = (x, f) => map(x.C, x.H, x.W, x.data.map(f));

  // [O, K] times [K, P], four rows by two columns at a time: sums that stay in registers make it fast.
  function multiply(a, b, O, K, P) {
    const out = new Float32Array(O * P);
    if (O < 4 || P < 2) {
      for (let o = 0; o < O; o++) for (let p = 0; p < P; p++) for (let k = 0; k < K; k++) out[o * P + p] += a[o * K + k] * b[k * P + p];
      return out;
    }
    for (let column = 0; column < P; column += 2) {
      const p = Math.min(column, P - 2); // the last tile moves back over its neighbour where P is odd
      for (let row = 0; row < O; row += 4) {
        const o = Math.min(row, O - 4);
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
        for (let k = 0, i = o * K, j = p; k < K; k++, i++, j += P) {
          const u = b[j], v = b[j + 1], w0 = a[i], w1 = a[i + K], w2 = a[i + 2 * K], w3 = a[i + 3 * K];
          s0 += w0 * u; s1 += w1 * u; s2 += w2 * u; s3 += w3 * u;
          t0 += w0 * v; t1 += w1 * v; t2 += w2 * v; t3 += w3 * v;
        }
        const at = o * P + p;
        out[at] = s0; out[at + P] = s1; out[at + 2 * P] = s2; out[at + 3 * P] = s3;
        out[at + 1] = t0; out[at + P + 1] = t1; out[at + 2 * P + 1] = t2; out[at + 3 * P + 1] = t3;
      }
    }
    return out;
  }

  // What a k × k kernel sees at every place: [C·k·k, H·W], zeros outside the picture.
  function windows(x, k, stride, H, W) {
    const out = new Float32Array(x.C * k * k * H * W), pad = (k - 1) / 2;
    let at = 0;
    for (let c = 0; c < x.C; c++) for (let dy = -pad; dy <= pad; dy++) for (let dx = -pad; dx <= pad; dx++) {
      for (let y = 0; y < H; y++) for (let column = 0; column < W; column++, at++) {
        const v = y * stride + dy, u = column * stride + dx;
        if (v >= 0 && v < x.H && u >= 0 && u < x.W) out[at] = x.data[(c * x.H + v) * x.W + u];
      }
    }
    return out;
  }

  function convolve(x, weight, stride) {
    const [O, , k] = weight.shape, H = Math.ceil(x.H / stride), W = Math.ceil(x.W / stride);
    const seen = k === 1 && stride === 1 ? x.data : windows(x, k, stride, H, W);
    return map(O, H, W, multiply(weight.data, seen, O, x.C * k * k, H * W));
  }

  // Batch normalisation at rest is one scale and one shift a channel; a ReLU always follows it in these units.
  function normaliseRelu(x, scale, shift) {
    const P = x.H * x.W, out = map(x.C, x.H, x.W);
    for (let c = 0; c < x.C; c++) {
      for (let p = c * P; p < (c + 1) * P; p++) out.data[p] = Math.max(0, scale.data[c] * x.data[p] + shift.data[c]);
    }
    return out;
  }

  // 3 × 3, stride 2, no padding; a window may reach over the right and lower edge (PyTorch's ceil_mode).
  function maxPool(x) {
    const out = map(x.C, x.H >> 1, x.W >> 1);
    let at = 0;
    for (let c = 0; c < x.C; c++) for (let y = 0; y < out.H; y++) for (let column = 0; column < out.W; column++, at++) {
      let most = -Infinity;
      for (let v = 2 * y; v < Math.min(2 * y + 3, x.H); v++) {
        for (let u = 2 * column; u < Math.min(2 * column + 3, x.W); u++) most = Math.max(most, x.data[(c * x.H + v) * x.W + u]);
      }
      out.data[at] = most;
    }
    return out;
  }

  // Bilinear interpolation, corners on corners.
  function resize(x, H, W) {
    const out = map(x.C, H, W), stepY = H > 1 ? (x.H - 1) / (H - 1) : 0, stepX = W > 1 ? (x.W - 1) / (W - 1) : 0;
    let at = 0;
    for (let c = 0; c < x.C; c++) for (let y = 0; y < H; y++) for (let column = 0; column < W; column++, at++) {
      const v = y * stepY, u = column * stepX, top = Math.floor(v), left = Math.floor(u), fy = v - top, fx = u - left;
      const here = (c * x.H + top) * x.W + left, right = left + 1 < x.W ? 1 : 0, below = top + 1 < x.H ? x.W : 0;
      out.data[at] = (1 - fy) * ((1 - fx) * x.data[here] + fx * x.data[here + right])
        + fy * ((1 - fx) * x.data[here + below] + fx * x.data[here + below + right]);
    }
    return out;
  }

  const add = (a, b) => apply(a, (value, i) => value + b.data[i]);
  const sigmoid = (x) => apply(x, (value) => 1 / (1 + Math.exp(-value)));

  // A mask in place of the computed one: a number, "mean" (over places, channel by channel), or another mask.
  function replace(mask, by) {
    if (typeof by === "number") return apply(mask, () => by);
    if (by === "mean") {
      const P = mask.H * mask.W, means = channelSums(mask).map((sum) => sum / P);
      return apply(mask, (_, i) => means[Math.floor(i / P)]);
    }
    if (by.data.length !== mask.data.length) throw new Error(`a mask of ${by.data.length} numbers cannot stand for one of ${mask.data.length}`);
    return map(mask.C, mask.H, mask.W, Float32Array.from(by.data));
  }

  function channelSums(x) {
    const P = x.H * x.W, sums = new Float64Array(x.C);
    x.data.forEach((value, i) => { sums[Math.floor(i / P)] += value; });
    return sums;
  }

  live.Network = class {
    constructor(exported) {
      Object.assign(this, exported); // name, config, classes, mean, std, weights
      this.weights = live.decodeWeights(exported);
    }

    conv(x, name, stride) { return convolve(x, this.weights[name + ".weight"], stride || 1); }

    normRelu(x, name) { return normaliseRelu(x, this.weights[name + ".scale"], this.weights[name + ".shift"]); }

    // The pre-activation bottleneck: 1 × 1, 3 × 3, 1 × 1, each after BN and ReLU, plus the shortcut (chapter 3).
    unit(x, name, stride) {
      const a = this.normRelu(x, name + ".bn1");
      let y = this.conv(a, name + ".conv1");
      y = this.conv(this.normRelu(y, name + ".bn2"), name + ".conv2", stride);
      y = this.conv(this.normRelu(y, name + ".bn3"), name + ".conv3");
      return add(y, name + ".projection.weight" in this.weights ? this.conv(a, name + ".projection", stride) : x);
    }

    chain(x, name) {
      for (let i = 0; `${name}.${i}.conv1.weight` in this.weights; i++) x = this.unit(x, `${name}.${i}`);
      return x;
    }

    // Bottom-up, top-down, up to the logits of the mask (chapter 4). `levels` keeps what passes, for the figures.
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
        if (level > 0) x = this.chain(add(x, skips[level - 1]), `${name}.up.${level - 1}`);
        levels.push(x);
      }
      x = this.conv(this.normRelu(x, name + ".tail.0"), name + ".tail.2");
      return this.conv(this.normRelu(x, name + ".tail.3"), name + ".tail.5");
    }

    // One Attention Module (chapter 5): both branches read the same input, and neither reads the other.
    attention(x, name, depth, forced) {
      const module = { name, levels: [], input: this.chain(x, name + ".pre") };
      module.trunk = this.chain(module.input, name + ".trunk"); // T
      module.product = module.trunk;
      if (this.config.fusion !== "none") {
        module.logits = this.maskLogits(module.input, name + ".mask", depth, module.levels);
        module.computed = sigmoid(module.logits);
        module.mask = forced === undefined ? module.computed : replace(module.computed, forced); // M
        const M = module.mask.data, residual = this.config.fusion === "arl" ? 1 : 0;
        module.product = apply(module.trunk, (t, i) => (residual + M[i]) * t); // (1 + M) · T, or M · T
      }
      module.output = this.chain(module.product, name + ".post");
      return module;
    }

    // Everything: logits, and for each module its input, trunk T, mask M, product and output. `until` stops after a module.
    run(pixels, forced = {}, until = null) {
      const { config, mean, std } = this, P = pixels.H * pixels.W, modules = [];
      let x = map(3, pixels.H, pixels.W, Float32Array.from(pixels.data, (value, i) => {
        const colour = Math.floor(i / P);
        return (value / 255 - mean[colour]) / std[colour];
      }));
      x = this.conv(x, "stem.0", config.stem === "conv3_stride2" ? 2 : 1);
      for (let stage = 1; stage <= config.widths.length; stage++) {
        x = this.unit(x, `stage${stage}.unit1`, stage === 1 ? 1 : 2);
        for (let i = 1; i <= config.modules[stage - 1]; i++) {
          const name = `stage${stage}.attention${i}`;
          modules.push(this.attention(x, name, config.poolings[stage - 1], forced[name]));
          if (name === until) return { modules };
          x = modules.at(-1).output;
        }
        for (let i = 2; i <= config.units[stage - 1]; i++) x = this.unit(x, `stage${stage}.unit${i}`);
      }
      x = this.normRelu(x, "norm.0");
      const pooled = map(x.C, 1, 1, Float32Array.from(channelSums(x), (sum) => sum / (x.H * x.W)));
      const K = this.classes.length, bias = this.weights["classifier.bias"].data;
      const logits = multiply(this.weights["classifier.weight"].data, pooled.data, K, x.C, 1).map((value, i) => value + bias[i]);
      return { logits, modules };
    }
  };

  // Weights are whole numbers of 16 bits, each row of a kernel with its own scale; the other vectors are 32-bit floats.
  live.decodeWeights = function ({ tensors, bytes }) {
    const text = atob(bytes), raw = Uint8Array.from(text, (letter) => letter.charCodeAt(0)), weights = {};
    let at = 0;
    const floats = (n) => new Float32Array(raw.buffer, (at += 4 * n) - 4 * n, n);
    for (const [name, shape, rounded] of tensors) {
      const size = shape.reduce((a, b) => a * b, 1);
      if (!rounded) { weights[name] = { shape, data: floats(size) }; continue; }
      const scale = floats(shape[0]), whole = new Int16Array(raw.buffer, at, size), row = size / shape[0];
      at += 2 * size + (2 * size) % 4; // the next vector starts at a multiple of four bytes
      weights[name] = { shape, data: Float32Array.from(whole, (value, i) => value * scale[Math.floor(i / row)]) };
    }
    return weights;
  };

  live.map = map;
  live.softmax = function (logits) {
    const most = Math.max(...logits), powers = Array.from(logits, (z) => Math.exp(z - most)), sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  };
})((globalThis.live = globalThis.live || {}));
