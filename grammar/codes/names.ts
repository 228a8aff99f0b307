/** @file Pages of the codes RMX01xx: names and elaboration. */
import type { CodePage } from "./page.ts";

export const namePages: Record<string, CodePage> = {
  RMX0101: {
    title: "unknown name",
    meaning:
      "A name is neither bound in this body nor a block or primitive in scope. A block sees only its parameters and what it binds itself; models and other blocks' values are passed in.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  y = mean(x, "t d -> d")
  task score = sum(yy)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  y = mean(x, "t d -> d")
  task score = sum(y)
}`,
  },
  RMX0103: {
    title: "unknown parameter",
    meaning:
      "A named argument is none of the parameters of what is called, or the size of an axis that the pattern does not have.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = softmax(sum(x, "t d -> d"), axes = 0)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = softmax(sum(x, "t d -> d"), axis = 0)
}`,
  },
  RMX0104: {
    title: "too many arguments",
    meaning:
      "More positional arguments were given than there are parameters, or a positional one follows a named one.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(tanh(x, 2))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(tanh(x))
}`,
  },
  RMX0105: {
    title: "missing argument",
    meaning:
      "A parameter without a default got no argument, or a model's parameter without a default was not set.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), out = 1)
}`,
  },
  RMX0106: {
    title: "argument given twice",
    meaning: "One parameter got two arguments: by position and by name, or by name twice.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(softmax(x, axis = 0, axis = 1))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(softmax(x, axis = 0))
}`,
  },
  RMX0107: {
    title: "wrong kind of value",
    meaning:
      "A tensor stands where a compile-time value is needed, a function where a tensor is, a string where an int is, and so on.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), out = "one")
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = linear(mean(x, "t d -> d"), out = 1)
}`,
  },
  RMX0108: {
    title: "declared twice",
    meaning:
      "Two declarations of one kind share a name: blocks of a file, features, tables, tasks, rows of tokens, fields of a sequence.",
    failing: `
model m() {
  item { x: f32, x: f32[2] }
  task score = sum(x)
}`,
    mended: `
model m() {
  item { x: f32, z: f32[2] }
  task score = x + sum(z)
}`,
  },
  RMX0109: {
    title: "statement in the wrong place",
    meaning:
      "Tables, features, tasks, losses, labels, `precision` and `serve` belong in a model; `return` belongs in a block; a model's parameters are compile-time values.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  return sum(x)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(x)
}`,
  },
  RMX0110: {
    title: "no such model",
    meaning: "What is compiled is a model. The file declares none, or none of the name that was asked for.",
    failing: `
block half(x: [D]) -> [D] {
  return x * 0.5
}`,
    mended: `
block half(x: [D]) -> [D] {
  return x * 0.5
}

model m() {
  item { x: f32[4] }
  task score = sum(half(x))
}`,
  },
  RMX0111: {
    title: "wrong number of results",
    meaning:
      "A block returns as many values as it declares, and a statement binds as many names as there are results.",
    failing: `
block split(x: [D]) -> ([D], [D]) {
  return min(x, 0)
}

model m() {
  item { x: f32[4] }
  low, high = split(x)
  task score = sum(low)
}`,
    mended: `
block split(x: [D]) -> ([D], [D]) {
  return min(x, 0), max(x, 0)
}

model m() {
  item { x: f32[4] }
  low, high = split(x)
  task score = sum(low)
}`,
  },
  RMX0112: {
    title: "unknown part",
    meaning: "After a dot stands the name of a row of a `tokens` value or of a field of a `seq` feature.",
    failing: `
model m() {
  user { p: f32[8] }
  item { q: f32[8] }
  tokens x: [2, 8] {
    user_row = p
    item_row = q
  }
  task score = sum(x.user_rows)
}`,
    mended: `
model m() {
  user { p: f32[8] }
  item { q: f32[8] }
  tokens x: [2, 8] {
    user_row = p
    item_row = q
  }
  task score = sum(x.user_row)
}`,
  },
  RMX0113: {
    title: "not known at compile time",
    meaning:
      "`let`, lists and places in brackets hold what the compiler knows; tensors are known when a request comes.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  let y = tanh(x)
  task score = sum(y)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  y = tanh(x)
  task score = sum(y)
}`,
  },
  RMX0114: {
    title: "a model without a task",
    meaning: "A model's results are its tasks; without one there is nothing to compute.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  y = sum(x)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(x)
}`,
  },
  RMX0115: {
    title: "unknown setting",
    meaning:
      "`--set` names a parameter of the model and a value of its type; `serve` knows `requests` and `candidates`.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(x)
  serve { candidate <= 64 }
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(x)
  serve { candidates <= 64 }
}`,
  },
  RMX0116: {
    title: "exists only in training",
    meaning: "A value that is bound under `if training` does not exist when the model serves.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  if training {
    aux = sum(x)
  }
  task score = aux
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  aux = sum(x)
  task score = aux
}`,
  },
  RMX0117: {
    title: "wrong element type",
    meaning:
      "Arithmetic takes numbers, masks are bool, indices i32; nothing but i32 to num is converted silently.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum((x > 0) * 2.0)
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(float(x > 0) * 2.0)
}`,
  },
  RMX0118: {
    title: "masked rows still derive from an item",
    meaning:
      "`ug_mask` replaced what derives from item features in these rows, but what it put there does so itself. The rows are then computed once per candidate and nothing is saved.",
    failing: `
model m() {
  item { x: f32[4, 8], s: f32 }
  task score = sum(ug_mask(x, rows = 0:2, fill = s))
}`,
    mended: `
model m() {
  item { x: f32[4, 8], s: f32 }
  task score = s + sum(ug_mask(x, rows = 0:2, fill = 0))
}`,
  },
  RMX0119: {
    title: "not a function",
    meaning: "Blocks, primitives and `fn` parameters can be called; other values cannot.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  y = tanh(x)
  task score = sum(y(x))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  y = tanh(x)
  task score = sum(y * x)
}`,
  },
  RMX0120: {
    title: "arithmetic without a value",
    meaning:
      "A compile-time quotient by zero, or a whole number beyond 2^53, where ints are no longer exact.",
    failing: `
model m(n: int = 0) {
  item { x: f32[4, 8] }
  task score = sum(x) * (4 // n)
}`,
    mended: `
model m(n: int = 2) {
  item { x: f32[4, 8] }
  task score = sum(x) * (4 // n)
}`,
  },
  RMX0121: {
    title: "a mask that cannot be resolved",
    meaning:
      "`ug_mask` becomes a constant in the Graph, one byte an element, so it needs to know exactly which elements derive from an item, of a value of at most 2^24 elements.",
    failing: `
model m() {
  item { x: f32[5000, 5000] }
  task score = sum(ug_mask(x, rows = 0:8))
}`,
    mended: `
model m() {
  item { x: f32[5000, 5000] }
  task score = sum(ug_mask(x[0:8]))
}`,
  },
};
