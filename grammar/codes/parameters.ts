/** @file Pages of the codes RMX04xx: parameters and precision. */
import type { CodePage } from "./page.ts";

export const parameterPages: Record<string, CodePage> = {
  RMX0401: {
    title: "two declarations under one path",
    meaning:
      "A parameter's path is the chain of labels from the model down; two calls with parameters in one scope need different labels, so that paths never shift when a line is inserted.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  h = linear(x, 8)
  y = linear(h, 8)
  task score = sum(y)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  h = linear(x, 8) as first
  y = linear(h, 8) as second
  task score = sum(y)
}`,
  },
  RMX0402: {
    title: "a repeat with parameters and no label",
    meaning: "The rounds of a `repeat` are told apart by its label: `layers.0.…`, `layers.1.…`.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  repeat 2 {
    x = linear(x, 8)
  }
  task score = sum(x)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  repeat 2 as layers {
    x = linear(x, 8)
  }
  task score = sum(x)
}`,
  },
  RMX0403: {
    title: "not an initialiser",
    meaning:
      "A parameter is drawn by `zeros`, `ones`, `normal(std = …)` or `xavier(scale = …)`, the default.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  param w: [8] = zero
  task score = sum(x * w)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  param w: [8] = zeros
  task score = sum(x * w)
}`,
  },
  RMX0404: {
    title: "a pattern that matches nothing",
    meaning:
      "A line of `precision` that matches no path is a slip of the pen; `rmxc params` lists the paths. `*` stays within one segment, `**` spans any number.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), 1)
  precision {
    "linear.w" = f16
  }
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), 1)
  precision {
    "**.linear.w" = f16
  }
}`,
  },
  RMX0406: {
    title: "another shape in training",
    meaning: "A parameter that both branches of `if training` declare is one parameter and has one shape.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  if training {
    y = linear(x, 2)
  } else {
    y = linear(x, 3)
  }
  task score = sum(y)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  if training {
    y = linear(x, 2) as wide
  } else {
    y = linear(x, 3)
  }
  task score = sum(y)
}`,
  },
  RMX0407: {
    title: "a table without its sizes",
    meaning: "A table is given by its number of rows and the width of each.",
    failing: `
model m() {
  table users(rows = 100)
  user { uid: id in users }
  task score = sum(uid)
}`,
    mended: `
model m() {
  table users(rows = 100, dim = 8)
  user { uid: id in users }
  task score = sum(uid)
}`,
  },
  RMX0408: {
    title: "a parameter without channels",
    meaning:
      "int8 and fp8 need a scale for the values that one output sums over. A parameter that two products sum over along different axes has none: a scale that leaves one sum does not leave the other. Store it in `f16` or `bf16`, which need no scale, or use two parameters.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  param w: [8, 8]
  y = einsum("t d, d e -> t e", x, w)
  z = einsum("t d, e d -> t e", y, w)
  task score = sum(z)
  precision {
    "w" = int8 per channel
  }
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  param w: [8, 8]
  y = einsum("t d, d e -> t e", x, w)
  z = einsum("t d, e d -> t e", y, w)
  task score = sum(z)
  precision {
    "w" = f16
  }
}`,
  },
  RMX0409: {
    title: "activations with groups or zero points",
    meaning:
      "`inputs` says in which format products take their activations. They have one scale a row, or a calibrated one; groups and zero points are for stored values.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), 1)
  precision {
    "**.linear.w" = int8 per channel inputs int8 per group(4)
  }
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), 1)
  precision {
    "**.linear.w" = int8 per channel inputs int8 per channel
  }
}`,
  },
  RMX0490: {
    title: "a narrow compute type that a device does not use",
    meaning:
      "Parameters and derived values lie in the storage types of the `precision` block on every device, and kernels decode them where they load them. WebGPU kernels then add and multiply in f32, whatever `compute` says (`tf32` is of CUDA's tensor cores alone): many devices have no f16 arithmetic, and where it was measured it was slower and less exact. `rmxc cost` goes by the type asked for. It is a note, no error.",
    failing: `
precision { compute = f16 }    // noted: f32 is used`,
    mended: `
precision { "**.w*" = f16 }    // storage alone`,
  },
};
