/** @file The sample files of the language's design, word for word, and a file that uses every construct. */

export const wholeModel = `use std.rankmixer

/// RankMixer-100M as published: 16 tokens of 768, two blocks.
model rankmixer_100m(T: int = 16, D: int = 768, L: int = 2, U: int = 8) {
  table users (rows = 1_000_000, dim = 64)
  table videos(rows = 5_000_000, dim = 64)

  user {                                  // one row per request
    uid     : id in users
    watched : ids[50] in videos           // up to 50 ids, padded; shares the table with \`vid\`
    profile : f32[48]
  }
  item {                                  // one row per candidate
    vid   : id in videos
    stats : f32[32]
  }

  tokens x: [T, D] {
    user_tokens[U]     = split_linear(concat(uid, mean_pool(watched), profile), U, D)
    item_tokens[T - U] = split_linear(concat(vid, stats), T - U, D)
  }

  repeat L as layers {
    x = rankmixer_block(x, ratio = 4) as block
  }

  pooled = mean(x, "t d -> d")
  task finish = sigmoid(linear(pooled, 1))
  task like   = sigmoid(linear(pooled, 1))

  precision {
    compute = f16                         // f32 | f16 | bf16; accumulation is always f32
    "**.ffn.w*" = int8 per channel        // W8A16: 8-bit weights, 16-bit activations
  }
  serve { requests <= 8, candidates <= 2048 }
}
`;

export const library = `/// Parameter-free token mixing (RankMixer, arXiv 2507.15551): head h of every token, side by side, is row h.
block token_mixing(x: [T, D], heads: int = T) -> [heads, T * D / heads] {
  return rearrange(x, "t (h e) -> h (t e)", h = heads)
}

/// One FFN per token: W2[t] · act(W1[t] x[t] + b1[t]) + b2[t].
block per_token_ffn(x: [T, D], ratio: int = 4, act: fn = gelu) -> [T, D] {
  let K = ratio * D
  param w1: [T, D, K]
  param b1: [T, K] = zeros
  param w2: [T, K, D]
  param b2: [T, D] = zeros
  h = act(einsum("t d, t d k -> t k", x, w1) + b1)
  return einsum("t k, t k d -> t d", h, w2) + b2
}

block rankmixer_block(x: [T, D], ratio: int = 4) -> [T, D] {
  s = layer_norm(token_mixing(x) + x) as norm1
  return layer_norm(per_token_ffn(s, ratio) as ffn + s) as norm2
}
`;

export const everyConstruct = `use std.rankmixer
use "./blocks/own.rmx"

/// Scores each candidate.
/// Two lines of documentation.
block attention(q: [..., Q, D], k: [S, D], m: bool [Q, S], n: i32 [S], z: num [], heads: int = 8, scale: float = 0.5, flag: bool = false, act: fn = gelu, name: string = "a\\"b", widths: int[] = [256, 128], fns: fn[] = [cross(rank = 8), linear], flags: bool[] = []) -> ([Q, D], bool [Q]) {
  let E = (D // heads)
  let F = D//heads + D // 2  // a division and a comment
  scores = einsum("q d, s d -> q s", q, k) * scale
  if heads == 1 {
    scores = scores
  } else if not flag and heads > 2 or heads <= -1 {
    scores = -scores + 1e-5
  } else {
    scores = where(m, scores, -inf)
  }
  p = scores |> mask(m, fill = -inf) |> softmax(axis = -1) as weights
  y = (p + 1) * 2 % 3 - x.user_tokens[:, 0:64] + p[8:] - p[:8] + p[0] * p[-1] + p[:]
  a, b = split(y)
  if true { return a, b }
  return a, b != 0
}

model everything(T: int = 16) {
  table videos(rows = 5_000_000, dim = 64) = normal(std = 0.02)
  user {
    uid: id in videos, watched: ids[50] in videos
    /// What the user did.
    history: seq[100] of { video: id in videos, t: i32, dwell: f32[2, 3] }
  }
  item { vid: id in videos }
  tokens x: [T, 64] {
    first = uid
    rest[T - 1] = f(uid)
  }
  param w: [T, 64] = normal(std = 0.02)
  param g: []
  repeat 2 as l { x = f(x, rows = 0:8) as block }
  repeat m in [mixer(x), other] as modules {
    x = m(x)
  }
  repeat count(T) as rounds { x = g(x) }
  label clicked: f32
  label dwell: i32[2]
  loss bce(clicked, finish)
  task finish = sigmoid(x)
  precision {
    compute = f16
    compute "head.**" = f32
    "**.ffn.w*" = int8 per channel
    "**.moe.*" = fp8_e4m3 inputs fp8_e4m3
    "a" = bf16, "b" = fp8_e5m2
    derived("**.qk") = int8 per group(2 * 64)
  }
  serve { requests <= 8, candidates <= 2048 }
}
`;
