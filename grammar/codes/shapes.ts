/** @file Pages of the codes RMX02xx: shapes. */
import type { CodePage } from "./page.ts";

export const shapePages: Record<string, CodePage> = {
  RMX0201: {
    title: "a dimension does not agree",
    meaning:
      "A block's parameter names a dimension that is already bound to another size: by an earlier tensor, by an argument of that name, or by the declaration.",
    failing: `
block join(x: [T, D], y: [T, D]) -> [T, D] {
  return x + y
}

model m() {
  item { x: f32[4, 8], y: f32[4, 6] }
  task score = sum(join(x, y))
}`,
    mended: `
block join(x: [T, D], y: [T, D]) -> [T, D] {
  return x + y
}

model m() {
  item { x: f32[4, 8], y: f32[4, 8] }
  task score = sum(join(x, y))
}`,
  },
  RMX0202: {
    title: "wrong number of axes",
    meaning: "A tensor has more or fewer axes than the parameter, the brackets or the primitive asks for.",
    failing: `
model m() {
  item { x: f32[8] }
  task score = sum(x[0, 1])
}`,
    mended: `
model m() {
  item { x: f32[8] }
  task score = x[1]
}`,
  },
  RMX0203: {
    title: "a quotient of ints that is not whole",
    meaning: "`/` of two ints is exact or an error, so that no rounding hides in a shape.",
    failing: `
model m(D: int = 128, heads: int = 5) {
  item { x: f32[4, 8] }
  task score = sum(x) * (D / heads)
}`,
    mended: `
model m(D: int = 128, heads: int = 4) {
  item { x: f32[4, 8] }
  task score = sum(x) * (D / heads)
}`,
  },
  RMX0204: {
    title: "an axis does not divide",
    meaning: "A group in a pattern splits an axis into axes whose sizes multiply to its extent.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(rearrange(x, "t (h e) -> h (t e)", h = 5))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(rearrange(x, "t (h e) -> h (t e)", h = 4))
}`,
  },
  RMX0205: {
    title: "shapes do not broadcast",
    meaning:
      "Operands of a pointwise function are aligned from the right; two extents are equal or one of them is 1.",
    failing: `
model m() {
  item { x: f32[4, 8], y: f32[6] }
  task score = sum(x + y)
}`,
    mended: `
model m() {
  item { x: f32[4, 8], y: f32[8] }
  task score = sum(x + y)
}`,
  },
  RMX0206: {
    title: "a pattern that does not read",
    meaning:
      "Patterns are axis names, `1`, groups in brackets and `...` on both sides of one arrow; einsum separates its operands by commas.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(mean(x, "t d > d"))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(mean(x, "t d -> d"))
}`,
  },
  RMX0207: {
    title: "a pattern that does not fit",
    meaning:
      "The axes that a pattern names are not those of the tensor: their number, a size, or a name that stands on one side alone.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(mean(x, "t d e -> d"))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(mean(x, "t d -> d"))
}`,
  },
  RMX0208: {
    title: "a result of another shape than declared",
    meaning: "A block's results have the shapes behind its arrow.",
    failing: `
block pool(x: [T, D]) -> [D] {
  return mean(x, "t d -> t")
}

model m() {
  item { x: f32[4, 8] }
  task score = sum(pool(x))
}`,
    mended: `
block pool(x: [T, D]) -> [D] {
  return mean(x, "t d -> d")
}

model m() {
  item { x: f32[4, 8] }
  task score = sum(pool(x))
}`,
  },
  RMX0209: {
    title: "a place outside an axis",
    meaning:
      "Indices and ranges lie within the axis; negative ones count from its end; k of `top_k` and windows of `unfold` fit it.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(x[4])
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(x[-1])
}`,
  },
  RMX0210: {
    title: "no such axis",
    meaning: "An axis number is below the rank; negative ones count from the last axis.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(softmax(x, axis = 2))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(softmax(x, axis = 1))
}`,
  },
  RMX0211: {
    title: "rows that do not make up the tokens",
    meaning:
      "Rows of `tokens x: [T, D]` hold T tokens of width D together; `name[n] = …` is [n, D], `name = …` is one token.",
    failing: `
model m() {
  user { p: f32[8] }
  item { q: f32[8] }
  tokens x: [3, 8] {
    user_row = p
    item_row = q
  }
  task score = sum(x)
}`,
    mended: `
model m() {
  user { p: f32[8] }
  item { q: f32[8] }
  tokens x: [2, 8] {
    user_row = p
    item_row = q
  }
  task score = sum(x)
}`,
  },
  RMX0212: {
    title: "not a size",
    meaning: "Extents and counts are whole numbers of at least 1.",
    failing: `
model m(n: int = 0) {
  item { x: f32[n] }
  task score = sum(x)
}`,
    mended: `
model m(n: int = 4) {
  item { x: f32[n] }
  task score = sum(x)
}`,
  },
  RMX0213: {
    title: "shapes that do not go together",
    meaning: "The operands of a primitive do not fit each other; the message gives its rule.",
    failing: `
model m() {
  item { x: f32[4, 8], y: f32[4, 6] }
  task score = sum(concat(x, y, axis = 0))
}`,
    mended: `
model m() {
  item { x: f32[4, 8], y: f32[4, 6] }
  task score = sum(concat(x, y, axis = 1))
}`,
  },
  RMX0214: {
    title: "a size that is open",
    meaning: "A group may leave the size of one axis to be found; the others are given as arguments.",
    failing: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(rearrange(x, "t (h e) -> h (t e)"))
}`,
    mended: `
model m() {
  item { x: f32[4, 8] }
  task score = sum(rearrange(x, "t (h e) -> h (t e)", h = 4))
}`,
  },
};
