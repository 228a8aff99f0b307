/** @file Pages of the codes RMX03xx: limits. */
import type { CodePage } from "./page.ts";

export const limitPages: Record<string, CodePage> = {
  RMX0301: {
    title: "the model unrolls too far",
    meaning:
      "`repeat` and calls are unrolled. A model may run at most 20,000 statements and build at most 20,000 values (limits `statements` and `nodes`).",
    failing: `
model m() {
  item { x: f32[4, 8] }
  repeat 1_000_000_000 as layers {
    x = tanh(x)
  }
  task score = sum(x)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  repeat 2 as layers {
    x = tanh(x)
  }
  task score = sum(x)
}`,
  },
  RMX0302: {
    title: "calls nested too deep",
    meaning:
      "At most 200 blocks are open at once (limit `depth`) and 1,000 expressions over all of them (limit `nesting`); a block that calls itself needs a compile-time `if` that ends it.",
    failing: `
block twice(x: [D], n: int) -> [D] {
  return twice(tanh(x), n - 1)
}

model m() {
  item { x: f32[4] }
  task score = sum(twice(x, 3))
}`,
    mended: `
block twice(x: [D], n: int) -> [D] {
  if n > 0 {
    x = twice(tanh(x), n - 1)
  }
  return x
}

model m() {
  item { x: f32[4] }
  task score = sum(twice(x, 3))
}`,
  },
  RMX0303: {
    title: "a value too large",
    meaning: "A computed value has at most 2^33 elements (limit `valueElements`).",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(broadcast(x, "t d -> n t d", n = 1_000_000_000))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(broadcast(x, "t d -> n t d", n = 10))
}`,
  },
  RMX0304: {
    title: "a parameter too large",
    meaning:
      "A parameter has at most 2^40 elements and a model at most 2^42 (limits `parameterElements` and `totalParameters`); a table has at most 2^31 - 1 rows, because ids are i32.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  param w: [8, 1_000_000_000_000]
  task score = sum(x)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  param w: [8, 1_000]
  task score = sum(x)
}`,
  },
  RMX0305: {
    title: "a list too long",
    meaning: "A compile-time list has at most 10,000 entries (limit `listLength`).",
    failing: `
model m() {
  item { x: f32[4, 8] }
  let widths = [64] * 1_000_000
  task score = sum(x)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  let widths = [64] * 3
  task score = sum(x)
}`,
  },
};
