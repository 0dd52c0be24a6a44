/* The operations of the network (network.js): six on maps, and what weights
 * are read with.
 *
 * A map is { C, H, W, data }: C channels of H × W numbers, one channel after
 * the other, as in PyTorch.
 */
(function (live) {
  "use strict";

  const map = (C, H, W, data) =>
    ({ C, H, W, data: data || new Float32Array(C * H * W) });
  const apply = (x, f) => map(x.C, x.H, x.W, x.data.map(f));

  // A new map from f(channel, row, column).
  function fill(C, H, W, f) {
    const out = map(C, H, W);
    let at = 0;
    for (let c = 0; c < C; c++)
      for (let y = 0; y < H; y++)
        for (let x = 0; x < W; x++) out.data[at++] = f(c, y, x);
    return out;
  }

  // Matrices: [O, K] times [K, P], four rows by two columns at a time. The
  // eight sums stay in registers, which makes this as fast as it gets here.
  function multiply(a, b, O, K, P) {
    if (O < 4 || P < 2) return fill(1, O, P, (_, o, p) => {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[o * K + k] * b[k * P + p];
      return sum;
    }).data;
    const out = new Float32Array(O * P);
    for (let column = 0; column < P; column += 2) {
      const p = Math.min(column, P - 2); // where P is odd, one column twice
      for (let row = 0; row < O; row += 4) {
        const o = Math.min(row, O - 4), at = o * P + p;
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
        for (let k = 0, i = o * K, j = p; k < K; k++, i++, j += P) {
          const u = b[j], v = b[j + 1];
          const w0 = a[i], w1 = a[i + K], w2 = a[i + 2 * K], w3 = a[i + 3 * K];
          s0 += w0 * u; s1 += w1 * u; s2 += w2 * u; s3 += w3 * u;
          t0 += w0 * v; t1 += w1 * v; t2 += w2 * v; t3 += w3 * v;
        }
        out[at] = s0; out[at + 1] = t0;
        out[at + P] = s1; out[at + P + 1] = t1;
        out[at + 2 * P] = s2; out[at + 2 * P + 1] = t2;
        out[at + 3 * P] = s3; out[at + 3 * P + 1] = t3;
      }
    }
    return out;
  }

  // What a k × k kernel sees at every place, zeros outside: [C·k·k, H, W].
  function windows(x, k, stride, H, W) {
    const pad = (k - 1) / 2;
    return fill(x.C * k * k, H, W, (row, y, column) => {
      const c = Math.floor(row / (k * k)), tap = row % (k * k);
      const v = y * stride + Math.floor(tap / k) - pad;
      const u = column * stride + tap % k - pad;
      const inside = v >= 0 && v < x.H && u >= 0 && u < x.W;
      return inside ? x.data[(c * x.H + v) * x.W + u] : 0;
    });
  }

  function convolve(x, weight, stride) {
    const [O, , k] = weight.shape;
    const H = Math.ceil(x.H / stride), W = Math.ceil(x.W / stride);
    const plain = k === 1 && stride === 1;
    const seen = plain ? x : windows(x, k, stride, H, W);
    const K = x.C * k * k;
    return map(O, H, W, multiply(weight.data, seen.data, O, K, H * W));
  }

  // Batch normalisation at rest is a scale and a shift for each channel; in
  // these units a ReLU always follows it.
  function normaliseRelu(x, scale, shift) {
    const P = x.H * x.W, out = map(x.C, x.H, x.W);
    for (let c = 0; c < x.C; c++)
      for (let p = c * P; p < (c + 1) * P; p++)
        out.data[p] = Math.max(0, scale.data[c] * x.data[p] + shift.data[c]);
    return out;
  }

  // 3 × 3, stride 2, without padding; a window may reach over the right and
  // the lower edge (PyTorch's ceil_mode).
  function maxPool(x) {
    return fill(x.C, x.H >> 1, x.W >> 1, (c, y, column) => {
      let most = -Infinity;
      for (let v = 2 * y; v < Math.min(2 * y + 3, x.H); v++)
        for (let u = 2 * column; u < Math.min(2 * column + 3, x.W); u++)
          most = Math.max(most, x.data[(c * x.H + v) * x.W + u]);
      return most;
    });
  }

  // Bilinear interpolation, corners on corners.
  function resize(x, H, W) {
    const stepY = H > 1 ? (x.H - 1) / (H - 1) : 0;
    const stepX = W > 1 ? (x.W - 1) / (W - 1) : 0;
    return fill(x.C, H, W, (c, y, column) => {
      const top = Math.floor(y * stepY), left = Math.floor(column * stepX);
      const fy = y * stepY - top, fx = column * stepX - left;
      const here = (c * x.H + top) * x.W + left;
      const right = left + 1 < x.W ? 1 : 0, below = top + 1 < x.H ? x.W : 0;
      const along = (i) => (1 - fx) * x.data[i] + fx * x.data[i + right];
      return (1 - fy) * along(here) + fy * along(here + below);
    });
  }

  const add = (a, b) => apply(a, (value, i) => value + b.data[i]);
  const sigmoid = (x) => apply(x, (value) => 1 / (1 + Math.exp(-value)));

  function channelMeans(x) {
    const P = x.H * x.W, means = new Float64Array(x.C);
    x.data.forEach((value, i) => { means[Math.floor(i / P)] += value / P; });
    return means;
  }

  // Weights are 32-bit floats; the kernels of a large network are whole numbers
  // of 16 bits with a scale for each output channel.
  live.decodeWeights = function ({ tensors, bytes }) {
    const raw = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    const weights = {};
    let at = 0;
    const floats = (n) => {
      at += 4 * n;
      return new Float32Array(raw.buffer, at - 4 * n, n);
    };
    for (const [name, shape, rounded] of tensors) {
      const size = shape.reduce((a, b) => a * b, 1), row = size / shape[0];
      weights[name] = { shape };
      if (rounded) {
        const scale = floats(shape[0]);
        const whole = new Int16Array(raw.buffer, at, size);
        at += 2 * size + (2 * size) % 4; // floats start at multiples of four
        weights[name].data = Float32Array.from(whole, (value, i) =>
          value * scale[Math.floor(i / row)]);
      } else weights[name].data = floats(size);
    }
    return weights;
  };

  live.softmax = function (logits) {
    const most = Math.max(...logits);
    const powers = Array.from(logits, (z) => Math.exp(z - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  };
  live.map = map;
  live.operations = {
    add, apply, channelMeans, convolve, fill, maxPool, multiply,
    normaliseRelu, resize, sigmoid,
  };
})((globalThis.live = globalThis.live || {}));
