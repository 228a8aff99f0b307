// layers_0_block_ffn_h (item stage)
//   layers.0.block.ffn.h: einsum
//   layers.0.block.ffn.h: add
//   layers.0.block.ffn.h: gelu
// reads  layers_0_block_norm1[N, 4, 16], layers_0_block_ffn_w1[4, 16, 64], layers_0_block_ffn_w1_scale[4, 64], layers_0_block_ffn_b1[4, 64]
// writes layers_0_block_ffn_h[N, 4, 64]
// cost   14.1 kFLOP per row of N; 6.14 kB and 1.28 kB per row of N
// grid   t 4, d 64 by 32, n N by 32; inside k 16
// plan   one subgroup of 8 lanes, 32 rows × 32 columns
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> layers_0_block_ffn_w1: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> layers_0_block_ffn_w1_scale: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> layers_0_block_ffn_b1: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> layers_0_block_ffn_h: array<vec4<f32>>;

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

fn unpack_int8_u32(w: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(vec4<u32>(w) << vec4<u32>(24, 16, 8, 0)) >> vec4<u32>(24));
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
  let n_tiles = (n_end + 31) / 32;
  if (group >= 8 * n_tiles) { return; }
  let n0 = group % n_tiles * 32;
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
  var acc_16: vec4<f32>;
  var acc_17: vec4<f32>;
  var acc_18: vec4<f32>;
  var acc_19: vec4<f32>;
  var acc_20: vec4<f32>;
  var acc_21: vec4<f32>;
  var acc_22: vec4<f32>;
  var acc_23: vec4<f32>;
  var acc_24: vec4<f32>;
  var acc_25: vec4<f32>;
  var acc_26: vec4<f32>;
  var acc_27: vec4<f32>;
  var acc_28: vec4<f32>;
  var acc_29: vec4<f32>;
  var acc_30: vec4<f32>;
  var acc_31: vec4<f32>;
  let n_lane0 = min(n0 + thread, n_end - 1);
  let n_lane1 = min(n0 + (thread + 8), n_end - 1);
  let n_lane2 = min(n0 + (thread + 16), n_end - 1);
  let n_lane3 = min(n0 + (thread + 24), n_end - 1);
  let k4_end = call.one * 4;
  if (n0 + 1 < n_end) {
    for (var k4 = 0; k4 < k4_end; k4++) {
      let layers_0_block_norm1_at = layers_0_block_norm1[n_lane0 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at1 = layers_0_block_norm1[n_lane1 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at2 = layers_0_block_norm1[n_lane2 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at3 = layers_0_block_norm1[n_lane3 * 16 + t * 4 + k4];
      let words = layers_0_block_ffn_w1[t * 64 + k4 * 16 + d4];
      let layers_0_block_ffn_w1_at = unpack_int8_u32(words.x);
      let layers_0_block_ffn_w1_at1 = unpack_int8_u32(words.y);
      let layers_0_block_ffn_w1_at2 = unpack_int8_u32(words.z);
      let layers_0_block_ffn_w1_at3 = unpack_int8_u32(words.w);
      let x = subgroupBroadcast(layers_0_block_norm1_at, 0);
      acc_0 = acc_0 + x.x * layers_0_block_ffn_w1_at + x.y * layers_0_block_ffn_w1_at1 + x.z * layers_0_block_ffn_w1_at2 + x.w * layers_0_block_ffn_w1_at3;
      let x1 = subgroupBroadcast(layers_0_block_norm1_at, 1);
      acc_1 = acc_1 + x1.x * layers_0_block_ffn_w1_at + x1.y * layers_0_block_ffn_w1_at1 + x1.z * layers_0_block_ffn_w1_at2 + x1.w * layers_0_block_ffn_w1_at3;
      let x2 = subgroupBroadcast(layers_0_block_norm1_at, 2);
      acc_2 = acc_2 + x2.x * layers_0_block_ffn_w1_at + x2.y * layers_0_block_ffn_w1_at1 + x2.z * layers_0_block_ffn_w1_at2 + x2.w * layers_0_block_ffn_w1_at3;
      let x3 = subgroupBroadcast(layers_0_block_norm1_at, 3);
      acc_3 = acc_3 + x3.x * layers_0_block_ffn_w1_at + x3.y * layers_0_block_ffn_w1_at1 + x3.z * layers_0_block_ffn_w1_at2 + x3.w * layers_0_block_ffn_w1_at3;
      let x4 = subgroupBroadcast(layers_0_block_norm1_at, 4);
      acc_4 = acc_4 + x4.x * layers_0_block_ffn_w1_at + x4.y * layers_0_block_ffn_w1_at1 + x4.z * layers_0_block_ffn_w1_at2 + x4.w * layers_0_block_ffn_w1_at3;
      let x5 = subgroupBroadcast(layers_0_block_norm1_at, 5);
      acc_5 = acc_5 + x5.x * layers_0_block_ffn_w1_at + x5.y * layers_0_block_ffn_w1_at1 + x5.z * layers_0_block_ffn_w1_at2 + x5.w * layers_0_block_ffn_w1_at3;
      let x6 = subgroupBroadcast(layers_0_block_norm1_at, 6);
      acc_6 = acc_6 + x6.x * layers_0_block_ffn_w1_at + x6.y * layers_0_block_ffn_w1_at1 + x6.z * layers_0_block_ffn_w1_at2 + x6.w * layers_0_block_ffn_w1_at3;
      let x7 = subgroupBroadcast(layers_0_block_norm1_at, 7);
      acc_7 = acc_7 + x7.x * layers_0_block_ffn_w1_at + x7.y * layers_0_block_ffn_w1_at1 + x7.z * layers_0_block_ffn_w1_at2 + x7.w * layers_0_block_ffn_w1_at3;
      let x8 = subgroupBroadcast(layers_0_block_norm1_at1, 0);
      acc_8 = acc_8 + x8.x * layers_0_block_ffn_w1_at + x8.y * layers_0_block_ffn_w1_at1 + x8.z * layers_0_block_ffn_w1_at2 + x8.w * layers_0_block_ffn_w1_at3;
      let x9 = subgroupBroadcast(layers_0_block_norm1_at1, 1);
      acc_9 = acc_9 + x9.x * layers_0_block_ffn_w1_at + x9.y * layers_0_block_ffn_w1_at1 + x9.z * layers_0_block_ffn_w1_at2 + x9.w * layers_0_block_ffn_w1_at3;
      let x10 = subgroupBroadcast(layers_0_block_norm1_at1, 2);
      acc_10 = acc_10 + x10.x * layers_0_block_ffn_w1_at + x10.y * layers_0_block_ffn_w1_at1 + x10.z * layers_0_block_ffn_w1_at2 + x10.w * layers_0_block_ffn_w1_at3;
      let x11 = subgroupBroadcast(layers_0_block_norm1_at1, 3);
      acc_11 = acc_11 + x11.x * layers_0_block_ffn_w1_at + x11.y * layers_0_block_ffn_w1_at1 + x11.z * layers_0_block_ffn_w1_at2 + x11.w * layers_0_block_ffn_w1_at3;
      let x12 = subgroupBroadcast(layers_0_block_norm1_at1, 4);
      acc_12 = acc_12 + x12.x * layers_0_block_ffn_w1_at + x12.y * layers_0_block_ffn_w1_at1 + x12.z * layers_0_block_ffn_w1_at2 + x12.w * layers_0_block_ffn_w1_at3;
      let x13 = subgroupBroadcast(layers_0_block_norm1_at1, 5);
      acc_13 = acc_13 + x13.x * layers_0_block_ffn_w1_at + x13.y * layers_0_block_ffn_w1_at1 + x13.z * layers_0_block_ffn_w1_at2 + x13.w * layers_0_block_ffn_w1_at3;
      let x14 = subgroupBroadcast(layers_0_block_norm1_at1, 6);
      acc_14 = acc_14 + x14.x * layers_0_block_ffn_w1_at + x14.y * layers_0_block_ffn_w1_at1 + x14.z * layers_0_block_ffn_w1_at2 + x14.w * layers_0_block_ffn_w1_at3;
      let x15 = subgroupBroadcast(layers_0_block_norm1_at1, 7);
      acc_15 = acc_15 + x15.x * layers_0_block_ffn_w1_at + x15.y * layers_0_block_ffn_w1_at1 + x15.z * layers_0_block_ffn_w1_at2 + x15.w * layers_0_block_ffn_w1_at3;
      let x16 = subgroupBroadcast(layers_0_block_norm1_at2, 0);
      acc_16 = acc_16 + x16.x * layers_0_block_ffn_w1_at + x16.y * layers_0_block_ffn_w1_at1 + x16.z * layers_0_block_ffn_w1_at2 + x16.w * layers_0_block_ffn_w1_at3;
      let x17 = subgroupBroadcast(layers_0_block_norm1_at2, 1);
      acc_17 = acc_17 + x17.x * layers_0_block_ffn_w1_at + x17.y * layers_0_block_ffn_w1_at1 + x17.z * layers_0_block_ffn_w1_at2 + x17.w * layers_0_block_ffn_w1_at3;
      let x18 = subgroupBroadcast(layers_0_block_norm1_at2, 2);
      acc_18 = acc_18 + x18.x * layers_0_block_ffn_w1_at + x18.y * layers_0_block_ffn_w1_at1 + x18.z * layers_0_block_ffn_w1_at2 + x18.w * layers_0_block_ffn_w1_at3;
      let x19 = subgroupBroadcast(layers_0_block_norm1_at2, 3);
      acc_19 = acc_19 + x19.x * layers_0_block_ffn_w1_at + x19.y * layers_0_block_ffn_w1_at1 + x19.z * layers_0_block_ffn_w1_at2 + x19.w * layers_0_block_ffn_w1_at3;
      let x20 = subgroupBroadcast(layers_0_block_norm1_at2, 4);
      acc_20 = acc_20 + x20.x * layers_0_block_ffn_w1_at + x20.y * layers_0_block_ffn_w1_at1 + x20.z * layers_0_block_ffn_w1_at2 + x20.w * layers_0_block_ffn_w1_at3;
      let x21 = subgroupBroadcast(layers_0_block_norm1_at2, 5);
      acc_21 = acc_21 + x21.x * layers_0_block_ffn_w1_at + x21.y * layers_0_block_ffn_w1_at1 + x21.z * layers_0_block_ffn_w1_at2 + x21.w * layers_0_block_ffn_w1_at3;
      let x22 = subgroupBroadcast(layers_0_block_norm1_at2, 6);
      acc_22 = acc_22 + x22.x * layers_0_block_ffn_w1_at + x22.y * layers_0_block_ffn_w1_at1 + x22.z * layers_0_block_ffn_w1_at2 + x22.w * layers_0_block_ffn_w1_at3;
      let x23 = subgroupBroadcast(layers_0_block_norm1_at2, 7);
      acc_23 = acc_23 + x23.x * layers_0_block_ffn_w1_at + x23.y * layers_0_block_ffn_w1_at1 + x23.z * layers_0_block_ffn_w1_at2 + x23.w * layers_0_block_ffn_w1_at3;
      let x24 = subgroupBroadcast(layers_0_block_norm1_at3, 0);
      acc_24 = acc_24 + x24.x * layers_0_block_ffn_w1_at + x24.y * layers_0_block_ffn_w1_at1 + x24.z * layers_0_block_ffn_w1_at2 + x24.w * layers_0_block_ffn_w1_at3;
      let x25 = subgroupBroadcast(layers_0_block_norm1_at3, 1);
      acc_25 = acc_25 + x25.x * layers_0_block_ffn_w1_at + x25.y * layers_0_block_ffn_w1_at1 + x25.z * layers_0_block_ffn_w1_at2 + x25.w * layers_0_block_ffn_w1_at3;
      let x26 = subgroupBroadcast(layers_0_block_norm1_at3, 2);
      acc_26 = acc_26 + x26.x * layers_0_block_ffn_w1_at + x26.y * layers_0_block_ffn_w1_at1 + x26.z * layers_0_block_ffn_w1_at2 + x26.w * layers_0_block_ffn_w1_at3;
      let x27 = subgroupBroadcast(layers_0_block_norm1_at3, 3);
      acc_27 = acc_27 + x27.x * layers_0_block_ffn_w1_at + x27.y * layers_0_block_ffn_w1_at1 + x27.z * layers_0_block_ffn_w1_at2 + x27.w * layers_0_block_ffn_w1_at3;
      let x28 = subgroupBroadcast(layers_0_block_norm1_at3, 4);
      acc_28 = acc_28 + x28.x * layers_0_block_ffn_w1_at + x28.y * layers_0_block_ffn_w1_at1 + x28.z * layers_0_block_ffn_w1_at2 + x28.w * layers_0_block_ffn_w1_at3;
      let x29 = subgroupBroadcast(layers_0_block_norm1_at3, 5);
      acc_29 = acc_29 + x29.x * layers_0_block_ffn_w1_at + x29.y * layers_0_block_ffn_w1_at1 + x29.z * layers_0_block_ffn_w1_at2 + x29.w * layers_0_block_ffn_w1_at3;
      let x30 = subgroupBroadcast(layers_0_block_norm1_at3, 6);
      acc_30 = acc_30 + x30.x * layers_0_block_ffn_w1_at + x30.y * layers_0_block_ffn_w1_at1 + x30.z * layers_0_block_ffn_w1_at2 + x30.w * layers_0_block_ffn_w1_at3;
      let x31 = subgroupBroadcast(layers_0_block_norm1_at3, 7);
      acc_31 = acc_31 + x31.x * layers_0_block_ffn_w1_at + x31.y * layers_0_block_ffn_w1_at1 + x31.z * layers_0_block_ffn_w1_at2 + x31.w * layers_0_block_ffn_w1_at3;
    }
  } else {
    for (var k4 = 0; k4 < k4_end; k4++) {
      let layers_0_block_norm1_at = layers_0_block_norm1[n_lane0 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at1 = layers_0_block_norm1[n_lane1 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at2 = layers_0_block_norm1[n_lane2 * 16 + t * 4 + k4];
      let layers_0_block_norm1_at3 = layers_0_block_norm1[n_lane3 * 16 + t * 4 + k4];
      let words = layers_0_block_ffn_w1[t * 64 + k4 * 16 + d4];
      let layers_0_block_ffn_w1_at = unpack_int8_u32(words.x);
      let layers_0_block_ffn_w1_at1 = unpack_int8_u32(words.y);
      let layers_0_block_ffn_w1_at2 = unpack_int8_u32(words.z);
      let layers_0_block_ffn_w1_at3 = unpack_int8_u32(words.w);
      let x = subgroupBroadcast(layers_0_block_norm1_at, 0);
      acc_0 = acc_0 + x.x * layers_0_block_ffn_w1_at + x.y * layers_0_block_ffn_w1_at1 + x.z * layers_0_block_ffn_w1_at2 + x.w * layers_0_block_ffn_w1_at3;
    }
  }
  let n_most = call.one * 32;
  let n_rows = min(n_most, n_end - n0);
  let layers_0_block_ffn_w1_scale_at = layers_0_block_ffn_w1_scale[t * 16 + d4];
  let layers_0_block_ffn_b1_at = layers_0_block_ffn_b1[t * 16 + d4];
  for (var n_turn = 0; n_turn < n_rows; n_turn += 4) {
    let n_first = n0 + n_turn;
    if (n_first < n_end) {
      layers_0_block_ffn_h[n_first * 64 + t * 16 + d4] = gelu_f32x4(acc_0 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
    }
    if (n_first + 1 < n_end) {
      let n_1 = n_first + 1;
      layers_0_block_ffn_h[n_1 * 64 + t * 16 + d4] = gelu_f32x4(acc_1 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
    }
    if (n_first + 2 < n_end) {
      let n_2 = n_first + 2;
      layers_0_block_ffn_h[n_2 * 64 + t * 16 + d4] = gelu_f32x4(acc_2 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
    }
    if (n_first + 3 < n_end) {
      let n_3 = n_first + 3;
      layers_0_block_ffn_h[n_3 * 64 + t * 16 + d4] = gelu_f32x4(acc_3 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
    }
    acc_0 = acc_4;
    acc_1 = acc_5;
    acc_2 = acc_6;
    acc_3 = acc_7;
    acc_4 = acc_8;
    acc_5 = acc_9;
    acc_6 = acc_10;
    acc_7 = acc_11;
    acc_8 = acc_12;
    acc_9 = acc_13;
    acc_10 = acc_14;
    acc_11 = acc_15;
    acc_12 = acc_16;
    acc_13 = acc_17;
    acc_14 = acc_18;
    acc_15 = acc_19;
    acc_16 = acc_20;
    acc_17 = acc_21;
    acc_18 = acc_22;
    acc_19 = acc_23;
    acc_20 = acc_24;
    acc_21 = acc_25;
    acc_22 = acc_26;
    acc_23 = acc_27;
    acc_24 = acc_28;
    acc_25 = acc_29;
    acc_26 = acc_30;
    acc_27 = acc_31;
  }
}
