// layers_0_block_ffn_h (item stage)
//   layers.0.block.ffn.h: einsum
//   layers.0.block.ffn.h: add
//   layers.0.block.ffn.h: gelu
// reads  layers_0_block_norm1[N, 4, 16], layers_0_block_ffn_w1[4, 16, 64], layers_0_block_ffn_b1[4, 64]
// writes layers_0_block_ffn_h[N, 4, 64]
// cost   14.1 kFLOP per row of N; 17.4 kB and 1.28 kB per row of N
// grid   t 4, d 64 by 32, n N by 16; inside k 16
// plan   one subgroup of 8 lanes, 16 rows × 32 columns
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> layers_0_block_ffn_w1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> layers_0_block_ffn_b1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> layers_0_block_ffn_h: array<vec4<f32>>;

fn gelu_f32x4(x: vec4<f32>) -> vec4<f32> {
  let a = abs(x);
  let z = a * 0.70710678;
  let t = 1.0 / (1.0 + 0.5 * z);
  var p = t * -0.059069216 + 0.28457758;
  p = p * t - 0.48720228;
  p = p * t + 0.2780698;
  p = p * t - 0.026627384;
  p = p * t + 0.20268759;
  p = p * t + 0.24310361;
  p = p * t + 0.28237534;
  p = p * t + 0.2820864;
  return max(x, vec4<f32>(0.0)) - a * (0.5 * t * p * exp(-z * z));
}

@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let n_end = call.rows;
  let n_tiles = (n_end + 15) / 16;
  if (group >= 8 * n_tiles) { return; }
  let n0 = group % n_tiles * 16;
  let d0 = group / n_tiles % 2 * 32;
  let t = group / n_tiles / 2;
  let d4 = d0 / 4 + thread;
  var acc_0: vec4<f32>;
  var acc_1: vec4<f32>;
  var acc_2: vec4<f32>;
  var acc_3: vec4<f32>;
  var acc_4: vec4<f32>;
  var acc_5: vec4<f32>;
  var acc_6: vec4<f32>;
  var acc_7: vec4<f32>;
  var acc_8: vec4<f32>;
  var acc_9: vec4<f32>;
  var acc_10: vec4<f32>;
  var acc_11: vec4<f32>;
  var acc_12: vec4<f32>;
  var acc_13: vec4<f32>;
  var acc_14: vec4<f32>;
  var acc_15: vec4<f32>;
  let n_lane0 = min(n0 + thread, n_end - 1);
  let n_lane1 = min(n0 + (thread + 8), n_end - 1);
  let k4_end = call.one * 4;
  if (n0 + 1 < n_end) {
    for (var k4 = 0; k4 < k4_end; k4++) {
      let layers_0_block_norm1_at = layers_0_block_norm1[n_lane0 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at1 = layers_0_block_norm1[n_lane1 * 16 + t * 4 + k4];
      let layers_0_block_ffn_w1_at = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.x, 0) * layers_0_block_ffn_w1_at;
      acc_1 += subgroupBroadcast(layers_0_block_norm1_at.x, 1) * layers_0_block_ffn_w1_at;
      acc_2 += subgroupBroadcast(layers_0_block_norm1_at.x, 2) * layers_0_block_ffn_w1_at;
      acc_3 += subgroupBroadcast(layers_0_block_norm1_at.x, 3) * layers_0_block_ffn_w1_at;
      acc_4 += subgroupBroadcast(layers_0_block_norm1_at.x, 4) * layers_0_block_ffn_w1_at;
      acc_5 += subgroupBroadcast(layers_0_block_norm1_at.x, 5) * layers_0_block_ffn_w1_at;
      acc_6 += subgroupBroadcast(layers_0_block_norm1_at.x, 6) * layers_0_block_ffn_w1_at;
      acc_7 += subgroupBroadcast(layers_0_block_norm1_at.x, 7) * layers_0_block_ffn_w1_at;
      acc_8 += subgroupBroadcast(layers_0_block_norm1_at1.x, 0) * layers_0_block_ffn_w1_at;
      acc_9 += subgroupBroadcast(layers_0_block_norm1_at1.x, 1) * layers_0_block_ffn_w1_at;
      acc_10 += subgroupBroadcast(layers_0_block_norm1_at1.x, 2) * layers_0_block_ffn_w1_at;
      acc_11 += subgroupBroadcast(layers_0_block_norm1_at1.x, 3) * layers_0_block_ffn_w1_at;
      acc_12 += subgroupBroadcast(layers_0_block_norm1_at1.x, 4) * layers_0_block_ffn_w1_at;
      acc_13 += subgroupBroadcast(layers_0_block_norm1_at1.x, 5) * layers_0_block_ffn_w1_at;
      acc_14 += subgroupBroadcast(layers_0_block_norm1_at1.x, 6) * layers_0_block_ffn_w1_at;
      acc_15 += subgroupBroadcast(layers_0_block_norm1_at1.x, 7) * layers_0_block_ffn_w1_at;
      let layers_0_block_ffn_w1_at1 = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4 + 16];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.y, 0) * layers_0_block_ffn_w1_at1;
      acc_1 += subgroupBroadcast(layers_0_block_norm1_at.y, 1) * layers_0_block_ffn_w1_at1;
      acc_2 += subgroupBroadcast(layers_0_block_norm1_at.y, 2) * layers_0_block_ffn_w1_at1;
      acc_3 += subgroupBroadcast(layers_0_block_norm1_at.y, 3) * layers_0_block_ffn_w1_at1;
      acc_4 += subgroupBroadcast(layers_0_block_norm1_at.y, 4) * layers_0_block_ffn_w1_at1;
      acc_5 += subgroupBroadcast(layers_0_block_norm1_at.y, 5) * layers_0_block_ffn_w1_at1;
      acc_6 += subgroupBroadcast(layers_0_block_norm1_at.y, 6) * layers_0_block_ffn_w1_at1;
      acc_7 += subgroupBroadcast(layers_0_block_norm1_at.y, 7) * layers_0_block_ffn_w1_at1;
      acc_8 += subgroupBroadcast(layers_0_block_norm1_at1.y, 0) * layers_0_block_ffn_w1_at1;
      acc_9 += subgroupBroadcast(layers_0_block_norm1_at1.y, 1) * layers_0_block_ffn_w1_at1;
      acc_10 += subgroupBroadcast(layers_0_block_norm1_at1.y, 2) * layers_0_block_ffn_w1_at1;
      acc_11 += subgroupBroadcast(layers_0_block_norm1_at1.y, 3) * layers_0_block_ffn_w1_at1;
      acc_12 += subgroupBroadcast(layers_0_block_norm1_at1.y, 4) * layers_0_block_ffn_w1_at1;
      acc_13 += subgroupBroadcast(layers_0_block_norm1_at1.y, 5) * layers_0_block_ffn_w1_at1;
      acc_14 += subgroupBroadcast(layers_0_block_norm1_at1.y, 6) * layers_0_block_ffn_w1_at1;
      acc_15 += subgroupBroadcast(layers_0_block_norm1_at1.y, 7) * layers_0_block_ffn_w1_at1;
      let layers_0_block_ffn_w1_at2 = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4 + 32];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.z, 0) * layers_0_block_ffn_w1_at2;
      acc_1 += subgroupBroadcast(layers_0_block_norm1_at.z, 1) * layers_0_block_ffn_w1_at2;
      acc_2 += subgroupBroadcast(layers_0_block_norm1_at.z, 2) * layers_0_block_ffn_w1_at2;
      acc_3 += subgroupBroadcast(layers_0_block_norm1_at.z, 3) * layers_0_block_ffn_w1_at2;
      acc_4 += subgroupBroadcast(layers_0_block_norm1_at.z, 4) * layers_0_block_ffn_w1_at2;
      acc_5 += subgroupBroadcast(layers_0_block_norm1_at.z, 5) * layers_0_block_ffn_w1_at2;
      acc_6 += subgroupBroadcast(layers_0_block_norm1_at.z, 6) * layers_0_block_ffn_w1_at2;
      acc_7 += subgroupBroadcast(layers_0_block_norm1_at.z, 7) * layers_0_block_ffn_w1_at2;
      acc_8 += subgroupBroadcast(layers_0_block_norm1_at1.z, 0) * layers_0_block_ffn_w1_at2;
      acc_9 += subgroupBroadcast(layers_0_block_norm1_at1.z, 1) * layers_0_block_ffn_w1_at2;
      acc_10 += subgroupBroadcast(layers_0_block_norm1_at1.z, 2) * layers_0_block_ffn_w1_at2;
      acc_11 += subgroupBroadcast(layers_0_block_norm1_at1.z, 3) * layers_0_block_ffn_w1_at2;
      acc_12 += subgroupBroadcast(layers_0_block_norm1_at1.z, 4) * layers_0_block_ffn_w1_at2;
      acc_13 += subgroupBroadcast(layers_0_block_norm1_at1.z, 5) * layers_0_block_ffn_w1_at2;
      acc_14 += subgroupBroadcast(layers_0_block_norm1_at1.z, 6) * layers_0_block_ffn_w1_at2;
      acc_15 += subgroupBroadcast(layers_0_block_norm1_at1.z, 7) * layers_0_block_ffn_w1_at2;
      let layers_0_block_ffn_w1_at3 = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4 + 48];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.w, 0) * layers_0_block_ffn_w1_at3;
      acc_1 += subgroupBroadcast(layers_0_block_norm1_at.w, 1) * layers_0_block_ffn_w1_at3;
      acc_2 += subgroupBroadcast(layers_0_block_norm1_at.w, 2) * layers_0_block_ffn_w1_at3;
      acc_3 += subgroupBroadcast(layers_0_block_norm1_at.w, 3) * layers_0_block_ffn_w1_at3;
      acc_4 += subgroupBroadcast(layers_0_block_norm1_at.w, 4) * layers_0_block_ffn_w1_at3;
      acc_5 += subgroupBroadcast(layers_0_block_norm1_at.w, 5) * layers_0_block_ffn_w1_at3;
      acc_6 += subgroupBroadcast(layers_0_block_norm1_at.w, 6) * layers_0_block_ffn_w1_at3;
      acc_7 += subgroupBroadcast(layers_0_block_norm1_at.w, 7) * layers_0_block_ffn_w1_at3;
      acc_8 += subgroupBroadcast(layers_0_block_norm1_at1.w, 0) * layers_0_block_ffn_w1_at3;
      acc_9 += subgroupBroadcast(layers_0_block_norm1_at1.w, 1) * layers_0_block_ffn_w1_at3;
      acc_10 += subgroupBroadcast(layers_0_block_norm1_at1.w, 2) * layers_0_block_ffn_w1_at3;
      acc_11 += subgroupBroadcast(layers_0_block_norm1_at1.w, 3) * layers_0_block_ffn_w1_at3;
      acc_12 += subgroupBroadcast(layers_0_block_norm1_at1.w, 4) * layers_0_block_ffn_w1_at3;
      acc_13 += subgroupBroadcast(layers_0_block_norm1_at1.w, 5) * layers_0_block_ffn_w1_at3;
      acc_14 += subgroupBroadcast(layers_0_block_norm1_at1.w, 6) * layers_0_block_ffn_w1_at3;
      acc_15 += subgroupBroadcast(layers_0_block_norm1_at1.w, 7) * layers_0_block_ffn_w1_at3;
    }
  } else {
    for (var k4 = 0; k4 < k4_end; k4++) {
      let layers_0_block_norm1_at = layers_0_block_norm1[n_lane0 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at1 = layers_0_block_norm1[n_lane1 * 16 + t * 4 + k4];
      let layers_0_block_ffn_w1_at = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.x, 0) * layers_0_block_ffn_w1_at;
      let layers_0_block_ffn_w1_at1 = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4 + 16];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.y, 0) * layers_0_block_ffn_w1_at1;
      let layers_0_block_ffn_w1_at2 = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4 + 32];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.z, 0) * layers_0_block_ffn_w1_at2;
      let layers_0_block_ffn_w1_at3 = layers_0_block_ffn_w1[t * 256 + k4 * 64 + d4 + 48];
      acc_0 += subgroupBroadcast(layers_0_block_norm1_at.w, 0) * layers_0_block_ffn_w1_at3;
    }
  }
  let layers_0_block_ffn_b1_at = layers_0_block_ffn_b1[t * 16 + d4];
  if (n0 < n_end) {
    layers_0_block_ffn_h[n0 * 64 + t * 16 + d4] = gelu_f32x4(acc_0 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 1 < n_end) {
    let n_1 = n0 + 1;
    layers_0_block_ffn_h[n_1 * 64 + t * 16 + d4] = gelu_f32x4(acc_1 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 2 < n_end) {
    let n_2 = n0 + 2;
    layers_0_block_ffn_h[n_2 * 64 + t * 16 + d4] = gelu_f32x4(acc_2 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 3 < n_end) {
    let n_3 = n0 + 3;
    layers_0_block_ffn_h[n_3 * 64 + t * 16 + d4] = gelu_f32x4(acc_3 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 4 < n_end) {
    let n_4 = n0 + 4;
    layers_0_block_ffn_h[n_4 * 64 + t * 16 + d4] = gelu_f32x4(acc_4 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 5 < n_end) {
    let n_5 = n0 + 5;
    layers_0_block_ffn_h[n_5 * 64 + t * 16 + d4] = gelu_f32x4(acc_5 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 6 < n_end) {
    let n_6 = n0 + 6;
    layers_0_block_ffn_h[n_6 * 64 + t * 16 + d4] = gelu_f32x4(acc_6 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 7 < n_end) {
    let n_7 = n0 + 7;
    layers_0_block_ffn_h[n_7 * 64 + t * 16 + d4] = gelu_f32x4(acc_7 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 8 < n_end) {
    let n_8 = n0 + 8;
    layers_0_block_ffn_h[n_8 * 64 + t * 16 + d4] = gelu_f32x4(acc_8 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 9 < n_end) {
    let n_9 = n0 + 9;
    layers_0_block_ffn_h[n_9 * 64 + t * 16 + d4] = gelu_f32x4(acc_9 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 10 < n_end) {
    let n_10 = n0 + 10;
    layers_0_block_ffn_h[n_10 * 64 + t * 16 + d4] = gelu_f32x4(acc_10 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 11 < n_end) {
    let n_11 = n0 + 11;
    layers_0_block_ffn_h[n_11 * 64 + t * 16 + d4] = gelu_f32x4(acc_11 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 12 < n_end) {
    let n_12 = n0 + 12;
    layers_0_block_ffn_h[n_12 * 64 + t * 16 + d4] = gelu_f32x4(acc_12 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 13 < n_end) {
    let n_13 = n0 + 13;
    layers_0_block_ffn_h[n_13 * 64 + t * 16 + d4] = gelu_f32x4(acc_13 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 14 < n_end) {
    let n_14 = n0 + 14;
    layers_0_block_ffn_h[n_14 * 64 + t * 16 + d4] = gelu_f32x4(acc_14 + layers_0_block_ffn_b1_at);
  }
  if (n0 + 15 < n_end) {
    let n_15 = n0 + 15;
    layers_0_block_ffn_h[n_15 * 64 + t * 16 + d4] = gelu_f32x4(acc_15 + layers_0_block_ffn_b1_at);
  }
}
