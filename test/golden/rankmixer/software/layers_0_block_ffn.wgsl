// layers_0_block_ffn (item stage)
//   phase 1, layers_0_block_ffn: 8.32 kFLOP per row of N
//     layers.0.block.ffn: einsum
//     layers.0.block.ffn: add
//     layers.0.block: add
//     grid   t 4, d 16 by 32, n N by 32; inside k 64
//     plan   one subgroup of 8 lanes, 32 rows × 32 columns
//   phase 2, layers_0_block_norm2: 448 FLOP per row of N
//     layers.0.block.norm2: layer_norm
//     layers.0.block.norm2: mul
//     layers.0.block.norm2: add
//     grid   n N, t 4 by 4; inside d 16
//     plan   8 lanes a row, 1 row at a time, 4 one after another, combined through the subgroup
//   phase 3, pooled: 64 FLOP per row of N
//     pooled: reduce
//     grid   e N × 16 by 8; inside k 4
//     plan   a thread a point, 8 threads
//   phase 4, finish_linear_y: 46 FLOP per row of N
//     finish.linear.y: einsum
//     finish.linear.y: add
//     finish: sigmoid
//     grid   n N, d 1; inside k 16
//     plan   8 lanes a row, 1 row, combined through the subgroup
// reads  layers_0_block_ffn_h[N, 4, 64], layers_0_block_ffn_w2[4, 64, 16], layers_0_block_ffn_w2_scale[4, 16], layers_0_block_ffn_b2[4, 16], layers_0_block_norm1[N, 4, 16], layers_0_block_norm2_gain[16], layers_0_block_norm2_bias[16], finish_linear_w[16, 1], finish_linear_b[1]
// writes layers_0_block[N, 4, 16], layers_0_block_norm2[N, 4, 16], pooled[N, 16], finish_linear_y[N, 1], finish[N, 1]
// cost   8.88 kFLOP per row of N; 5.01 kB and 1.89 kB per row of N
// grid   n N by 32
// plan   phases one after the other, 8 threads
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_ffn_h: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> layers_0_block_ffn_w2: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> layers_0_block_ffn_w2_scale: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> layers_0_block_ffn_b2: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> layers_0_block: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> layers_0_block_norm2_gain: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> layers_0_block_norm2_bias: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> layers_0_block_norm2: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> pooled: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read> finish_linear_w: array<f32>;
@group(0) @binding(12) var<storage, read> finish_linear_b: array<f32>;
@group(0) @binding(13) var<storage, read_write> finish_linear_y: array<f32>;
@group(0) @binding(14) var<storage, read_write> finish: array<f32>;

fn layers_0_block_norm2_element(i: i32) -> f32 {
  return layers_0_block_norm2[u32(i) / 4][u32(i) % 4];
}

fn sigmoid_f32(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, f32(1.0), x >= f32(0.0)) / (1.0 + e);
}

fn sum4(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
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
  if (group >= n_tiles) { return; }
  let n0 = group * 32;
  let n_to = min(n0 + 32, n_end);
  let tiles = call.one * 4;
  let k4_end = call.one * 16;
  let n_most = call.one * 32;
  {
    // layers_0_block_ffn
    for (var tile = 0; tile < tiles; tile++) {
      let d4 = thread;
      let d4_near = min(d4, 3);
      var acc_0: vec4<f32> = vec4<f32>(0.0);
      var acc_1: vec4<f32> = vec4<f32>(0.0);
      var acc_2: vec4<f32> = vec4<f32>(0.0);
      var acc_3: vec4<f32> = vec4<f32>(0.0);
      var acc_4: vec4<f32> = vec4<f32>(0.0);
      var acc_5: vec4<f32> = vec4<f32>(0.0);
      var acc_6: vec4<f32> = vec4<f32>(0.0);
      var acc_7: vec4<f32> = vec4<f32>(0.0);
      var acc_8: vec4<f32> = vec4<f32>(0.0);
      var acc_9: vec4<f32> = vec4<f32>(0.0);
      var acc_10: vec4<f32> = vec4<f32>(0.0);
      var acc_11: vec4<f32> = vec4<f32>(0.0);
      var acc_12: vec4<f32> = vec4<f32>(0.0);
      var acc_13: vec4<f32> = vec4<f32>(0.0);
      var acc_14: vec4<f32> = vec4<f32>(0.0);
      var acc_15: vec4<f32> = vec4<f32>(0.0);
      var acc_16: vec4<f32> = vec4<f32>(0.0);
      var acc_17: vec4<f32> = vec4<f32>(0.0);
      var acc_18: vec4<f32> = vec4<f32>(0.0);
      var acc_19: vec4<f32> = vec4<f32>(0.0);
      var acc_20: vec4<f32> = vec4<f32>(0.0);
      var acc_21: vec4<f32> = vec4<f32>(0.0);
      var acc_22: vec4<f32> = vec4<f32>(0.0);
      var acc_23: vec4<f32> = vec4<f32>(0.0);
      var acc_24: vec4<f32> = vec4<f32>(0.0);
      var acc_25: vec4<f32> = vec4<f32>(0.0);
      var acc_26: vec4<f32> = vec4<f32>(0.0);
      var acc_27: vec4<f32> = vec4<f32>(0.0);
      var acc_28: vec4<f32> = vec4<f32>(0.0);
      var acc_29: vec4<f32> = vec4<f32>(0.0);
      var acc_30: vec4<f32> = vec4<f32>(0.0);
      var acc_31: vec4<f32> = vec4<f32>(0.0);
      let n_lane0 = min(n0 + thread, n_to - 1);
      let n_lane1 = min(n0 + (thread + 8), n_to - 1);
      let n_lane2 = min(n0 + (thread + 16), n_to - 1);
      let n_lane3 = min(n0 + (thread + 24), n_to - 1);
      if (n0 + 1 < n_to) {
        for (var k4 = 0; k4 < k4_end; k4++) {
          let layers_0_block_ffn_h_at = layers_0_block_ffn_h[n_lane0 * 64 + tile * 16 + k4];
          let layers_0_block_ffn_h_at1 = layers_0_block_ffn_h[n_lane1 * 64 + tile * 16 + k4];
          let layers_0_block_ffn_h_at2 = layers_0_block_ffn_h[n_lane2 * 64 + tile * 16 + k4];
          let layers_0_block_ffn_h_at3 = layers_0_block_ffn_h[n_lane3 * 64 + tile * 16 + k4];
          let words = layers_0_block_ffn_w2[tile * 64 + k4 * 4 + d4_near];
          let layers_0_block_ffn_w2_at = unpack_int8_u32(words.x);
          let layers_0_block_ffn_w2_at1 = unpack_int8_u32(words.y);
          let layers_0_block_ffn_w2_at2 = unpack_int8_u32(words.z);
          let layers_0_block_ffn_w2_at3 = unpack_int8_u32(words.w);
          let x = subgroupBroadcast(layers_0_block_ffn_h_at, 0);
          acc_0 = acc_0 + x.x * layers_0_block_ffn_w2_at + x.y * layers_0_block_ffn_w2_at1 + x.z * layers_0_block_ffn_w2_at2 + x.w * layers_0_block_ffn_w2_at3;
          let x1 = subgroupBroadcast(layers_0_block_ffn_h_at, 1);
          acc_1 = acc_1 + x1.x * layers_0_block_ffn_w2_at + x1.y * layers_0_block_ffn_w2_at1 + x1.z * layers_0_block_ffn_w2_at2 + x1.w * layers_0_block_ffn_w2_at3;
          let x2 = subgroupBroadcast(layers_0_block_ffn_h_at, 2);
          acc_2 = acc_2 + x2.x * layers_0_block_ffn_w2_at + x2.y * layers_0_block_ffn_w2_at1 + x2.z * layers_0_block_ffn_w2_at2 + x2.w * layers_0_block_ffn_w2_at3;
          let x3 = subgroupBroadcast(layers_0_block_ffn_h_at, 3);
          acc_3 = acc_3 + x3.x * layers_0_block_ffn_w2_at + x3.y * layers_0_block_ffn_w2_at1 + x3.z * layers_0_block_ffn_w2_at2 + x3.w * layers_0_block_ffn_w2_at3;
          let x4 = subgroupBroadcast(layers_0_block_ffn_h_at, 4);
          acc_4 = acc_4 + x4.x * layers_0_block_ffn_w2_at + x4.y * layers_0_block_ffn_w2_at1 + x4.z * layers_0_block_ffn_w2_at2 + x4.w * layers_0_block_ffn_w2_at3;
          let x5 = subgroupBroadcast(layers_0_block_ffn_h_at, 5);
          acc_5 = acc_5 + x5.x * layers_0_block_ffn_w2_at + x5.y * layers_0_block_ffn_w2_at1 + x5.z * layers_0_block_ffn_w2_at2 + x5.w * layers_0_block_ffn_w2_at3;
          let x6 = subgroupBroadcast(layers_0_block_ffn_h_at, 6);
          acc_6 = acc_6 + x6.x * layers_0_block_ffn_w2_at + x6.y * layers_0_block_ffn_w2_at1 + x6.z * layers_0_block_ffn_w2_at2 + x6.w * layers_0_block_ffn_w2_at3;
          let x7 = subgroupBroadcast(layers_0_block_ffn_h_at, 7);
          acc_7 = acc_7 + x7.x * layers_0_block_ffn_w2_at + x7.y * layers_0_block_ffn_w2_at1 + x7.z * layers_0_block_ffn_w2_at2 + x7.w * layers_0_block_ffn_w2_at3;
          let x8 = subgroupBroadcast(layers_0_block_ffn_h_at1, 0);
          acc_8 = acc_8 + x8.x * layers_0_block_ffn_w2_at + x8.y * layers_0_block_ffn_w2_at1 + x8.z * layers_0_block_ffn_w2_at2 + x8.w * layers_0_block_ffn_w2_at3;
          let x9 = subgroupBroadcast(layers_0_block_ffn_h_at1, 1);
          acc_9 = acc_9 + x9.x * layers_0_block_ffn_w2_at + x9.y * layers_0_block_ffn_w2_at1 + x9.z * layers_0_block_ffn_w2_at2 + x9.w * layers_0_block_ffn_w2_at3;
          let x10 = subgroupBroadcast(layers_0_block_ffn_h_at1, 2);
          acc_10 = acc_10 + x10.x * layers_0_block_ffn_w2_at + x10.y * layers_0_block_ffn_w2_at1 + x10.z * layers_0_block_ffn_w2_at2 + x10.w * layers_0_block_ffn_w2_at3;
          let x11 = subgroupBroadcast(layers_0_block_ffn_h_at1, 3);
          acc_11 = acc_11 + x11.x * layers_0_block_ffn_w2_at + x11.y * layers_0_block_ffn_w2_at1 + x11.z * layers_0_block_ffn_w2_at2 + x11.w * layers_0_block_ffn_w2_at3;
          let x12 = subgroupBroadcast(layers_0_block_ffn_h_at1, 4);
          acc_12 = acc_12 + x12.x * layers_0_block_ffn_w2_at + x12.y * layers_0_block_ffn_w2_at1 + x12.z * layers_0_block_ffn_w2_at2 + x12.w * layers_0_block_ffn_w2_at3;
          let x13 = subgroupBroadcast(layers_0_block_ffn_h_at1, 5);
          acc_13 = acc_13 + x13.x * layers_0_block_ffn_w2_at + x13.y * layers_0_block_ffn_w2_at1 + x13.z * layers_0_block_ffn_w2_at2 + x13.w * layers_0_block_ffn_w2_at3;
          let x14 = subgroupBroadcast(layers_0_block_ffn_h_at1, 6);
          acc_14 = acc_14 + x14.x * layers_0_block_ffn_w2_at + x14.y * layers_0_block_ffn_w2_at1 + x14.z * layers_0_block_ffn_w2_at2 + x14.w * layers_0_block_ffn_w2_at3;
          let x15 = subgroupBroadcast(layers_0_block_ffn_h_at1, 7);
          acc_15 = acc_15 + x15.x * layers_0_block_ffn_w2_at + x15.y * layers_0_block_ffn_w2_at1 + x15.z * layers_0_block_ffn_w2_at2 + x15.w * layers_0_block_ffn_w2_at3;
          let x16 = subgroupBroadcast(layers_0_block_ffn_h_at2, 0);
          acc_16 = acc_16 + x16.x * layers_0_block_ffn_w2_at + x16.y * layers_0_block_ffn_w2_at1 + x16.z * layers_0_block_ffn_w2_at2 + x16.w * layers_0_block_ffn_w2_at3;
          let x17 = subgroupBroadcast(layers_0_block_ffn_h_at2, 1);
          acc_17 = acc_17 + x17.x * layers_0_block_ffn_w2_at + x17.y * layers_0_block_ffn_w2_at1 + x17.z * layers_0_block_ffn_w2_at2 + x17.w * layers_0_block_ffn_w2_at3;
          let x18 = subgroupBroadcast(layers_0_block_ffn_h_at2, 2);
          acc_18 = acc_18 + x18.x * layers_0_block_ffn_w2_at + x18.y * layers_0_block_ffn_w2_at1 + x18.z * layers_0_block_ffn_w2_at2 + x18.w * layers_0_block_ffn_w2_at3;
          let x19 = subgroupBroadcast(layers_0_block_ffn_h_at2, 3);
          acc_19 = acc_19 + x19.x * layers_0_block_ffn_w2_at + x19.y * layers_0_block_ffn_w2_at1 + x19.z * layers_0_block_ffn_w2_at2 + x19.w * layers_0_block_ffn_w2_at3;
          let x20 = subgroupBroadcast(layers_0_block_ffn_h_at2, 4);
          acc_20 = acc_20 + x20.x * layers_0_block_ffn_w2_at + x20.y * layers_0_block_ffn_w2_at1 + x20.z * layers_0_block_ffn_w2_at2 + x20.w * layers_0_block_ffn_w2_at3;
          let x21 = subgroupBroadcast(layers_0_block_ffn_h_at2, 5);
          acc_21 = acc_21 + x21.x * layers_0_block_ffn_w2_at + x21.y * layers_0_block_ffn_w2_at1 + x21.z * layers_0_block_ffn_w2_at2 + x21.w * layers_0_block_ffn_w2_at3;
          let x22 = subgroupBroadcast(layers_0_block_ffn_h_at2, 6);
          acc_22 = acc_22 + x22.x * layers_0_block_ffn_w2_at + x22.y * layers_0_block_ffn_w2_at1 + x22.z * layers_0_block_ffn_w2_at2 + x22.w * layers_0_block_ffn_w2_at3;
          let x23 = subgroupBroadcast(layers_0_block_ffn_h_at2, 7);
          acc_23 = acc_23 + x23.x * layers_0_block_ffn_w2_at + x23.y * layers_0_block_ffn_w2_at1 + x23.z * layers_0_block_ffn_w2_at2 + x23.w * layers_0_block_ffn_w2_at3;
          let x24 = subgroupBroadcast(layers_0_block_ffn_h_at3, 0);
          acc_24 = acc_24 + x24.x * layers_0_block_ffn_w2_at + x24.y * layers_0_block_ffn_w2_at1 + x24.z * layers_0_block_ffn_w2_at2 + x24.w * layers_0_block_ffn_w2_at3;
          let x25 = subgroupBroadcast(layers_0_block_ffn_h_at3, 1);
          acc_25 = acc_25 + x25.x * layers_0_block_ffn_w2_at + x25.y * layers_0_block_ffn_w2_at1 + x25.z * layers_0_block_ffn_w2_at2 + x25.w * layers_0_block_ffn_w2_at3;
          let x26 = subgroupBroadcast(layers_0_block_ffn_h_at3, 2);
          acc_26 = acc_26 + x26.x * layers_0_block_ffn_w2_at + x26.y * layers_0_block_ffn_w2_at1 + x26.z * layers_0_block_ffn_w2_at2 + x26.w * layers_0_block_ffn_w2_at3;
          let x27 = subgroupBroadcast(layers_0_block_ffn_h_at3, 3);
          acc_27 = acc_27 + x27.x * layers_0_block_ffn_w2_at + x27.y * layers_0_block_ffn_w2_at1 + x27.z * layers_0_block_ffn_w2_at2 + x27.w * layers_0_block_ffn_w2_at3;
          let x28 = subgroupBroadcast(layers_0_block_ffn_h_at3, 4);
          acc_28 = acc_28 + x28.x * layers_0_block_ffn_w2_at + x28.y * layers_0_block_ffn_w2_at1 + x28.z * layers_0_block_ffn_w2_at2 + x28.w * layers_0_block_ffn_w2_at3;
          let x29 = subgroupBroadcast(layers_0_block_ffn_h_at3, 5);
          acc_29 = acc_29 + x29.x * layers_0_block_ffn_w2_at + x29.y * layers_0_block_ffn_w2_at1 + x29.z * layers_0_block_ffn_w2_at2 + x29.w * layers_0_block_ffn_w2_at3;
          let x30 = subgroupBroadcast(layers_0_block_ffn_h_at3, 6);
          acc_30 = acc_30 + x30.x * layers_0_block_ffn_w2_at + x30.y * layers_0_block_ffn_w2_at1 + x30.z * layers_0_block_ffn_w2_at2 + x30.w * layers_0_block_ffn_w2_at3;
          let x31 = subgroupBroadcast(layers_0_block_ffn_h_at3, 7);
          acc_31 = acc_31 + x31.x * layers_0_block_ffn_w2_at + x31.y * layers_0_block_ffn_w2_at1 + x31.z * layers_0_block_ffn_w2_at2 + x31.w * layers_0_block_ffn_w2_at3;
        }
      } else {
        for (var k4 = 0; k4 < k4_end; k4++) {
          let layers_0_block_ffn_h_at = layers_0_block_ffn_h[n_lane0 * 64 + tile * 16 + k4];
          let layers_0_block_ffn_h_at1 = layers_0_block_ffn_h[n_lane1 * 64 + tile * 16 + k4];
          let layers_0_block_ffn_h_at2 = layers_0_block_ffn_h[n_lane2 * 64 + tile * 16 + k4];
          let layers_0_block_ffn_h_at3 = layers_0_block_ffn_h[n_lane3 * 64 + tile * 16 + k4];
          let words = layers_0_block_ffn_w2[tile * 64 + k4 * 4 + d4_near];
          let layers_0_block_ffn_w2_at = unpack_int8_u32(words.x);
          let layers_0_block_ffn_w2_at1 = unpack_int8_u32(words.y);
          let layers_0_block_ffn_w2_at2 = unpack_int8_u32(words.z);
          let layers_0_block_ffn_w2_at3 = unpack_int8_u32(words.w);
          let x = subgroupBroadcast(layers_0_block_ffn_h_at, 0);
          acc_0 = acc_0 + x.x * layers_0_block_ffn_w2_at + x.y * layers_0_block_ffn_w2_at1 + x.z * layers_0_block_ffn_w2_at2 + x.w * layers_0_block_ffn_w2_at3;
        }
      }
      let n_rows = min(n_most, n_to - n0);
      let layers_0_block_ffn_w2_scale_at = layers_0_block_ffn_w2_scale[tile * 4 + d4_near];
      let layers_0_block_ffn_b2_at = layers_0_block_ffn_b2[tile * 4 + d4_near];
      for (var n_turn = 0; n_turn < n_rows; n_turn += 4) {
        let n_first = n0 + n_turn;
        if (d4 * 4 < 16) {
          if (n_first < n_to) {
            let layers_0_block_norm1_at = layers_0_block_norm1[n_first * 16 + tile * 4 + d4_near];
            layers_0_block[n_first * 16 + tile * 4 + d4_near] = acc_0 * layers_0_block_ffn_w2_scale_at + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
          }
          if (n_first + 1 < n_to) {
            let n_1 = n_first + 1;
            let layers_0_block_norm1_at = layers_0_block_norm1[n_1 * 16 + tile * 4 + d4_near];
            layers_0_block[n_1 * 16 + tile * 4 + d4_near] = acc_1 * layers_0_block_ffn_w2_scale_at + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
          }
          if (n_first + 2 < n_to) {
            let n_2 = n_first + 2;
            let layers_0_block_norm1_at = layers_0_block_norm1[n_2 * 16 + tile * 4 + d4_near];
            layers_0_block[n_2 * 16 + tile * 4 + d4_near] = acc_2 * layers_0_block_ffn_w2_scale_at + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
          }
          if (n_first + 3 < n_to) {
            let n_3 = n_first + 3;
            let layers_0_block_norm1_at = layers_0_block_norm1[n_3 * 16 + tile * 4 + d4_near];
            layers_0_block[n_3 * 16 + tile * 4 + d4_near] = acc_3 * layers_0_block_ffn_w2_scale_at + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
          }
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
  }
  storageBarrier();
  {
    // layers_0_block_norm2
    for (var tile = 0; tile < n_to - n0; tile++) {
      let n = n0 + tile;
      let d4 = min(thread, 3);
      for (var turn = 0; turn < tiles; turn++) {
        let layers_0_block_at = layers_0_block[n * 16 + turn * 4 + d4];
        let mean = subgroupAdd(sum4(select(vec4<f32>(0.0), layers_0_block_at, vec4<bool>(thread < 4)))) / 16.0;
        let away = layers_0_block_at - vec4<f32>(mean);
        let m2 = subgroupAdd(sum4(select(vec4<f32>(0.0), away * away, vec4<bool>(thread < 4))));
        if (thread < 4) {
          let layers_0_block_norm2_gain_at = layers_0_block_norm2_gain[d4];
          let layers_0_block_norm2_bias_at = layers_0_block_norm2_bias[d4];
          layers_0_block_norm2[n * 16 + turn * 4 + d4] = (layers_0_block_at - mean) * inverseSqrt(m2 / 16.0 + 0.00001) * layers_0_block_norm2_gain_at + layers_0_block_norm2_bias_at;
        }
      }
    }
  }
  storageBarrier();
  {
    // pooled
    let e_from = n0 * 16;
    let e_end = n_to * 16;
    let e_tiles = (e_end - e_from + 7) / 8;
    for (var tile = 0; tile < e_tiles; tile++) {
      let e0 = e_from + tile * 8;
      let e = e0 + thread;
      if (e < e_end) {
        let layers_0_block_norm2_at = layers_0_block_norm2_element(e / 16 * 64 + 0 * 16 + e % 16);
        let layers_0_block_norm2_at1 = layers_0_block_norm2_element(e / 16 * 64 + 1 * 16 + e % 16);
        let layers_0_block_norm2_at2 = layers_0_block_norm2_element(e / 16 * 64 + 2 * 16 + e % 16);
        let layers_0_block_norm2_at3 = layers_0_block_norm2_element(e / 16 * 64 + 3 * 16 + e % 16);
        let acc = layers_0_block_norm2_at + layers_0_block_norm2_at1 + layers_0_block_norm2_at2 + layers_0_block_norm2_at3;
        pooled[e / 4][e % 4] = acc / 4.0;
      }
    }
  }
  storageBarrier();
  {
    // finish_linear_y
    let finish_linear_b_at = finish_linear_b[0];
    for (var tile = 0; tile < n_to - n0; tile++) {
      let n = n0 + tile;
      let k4 = min(thread, 3);
      let pooled_at = pooled[n * 4 + k4];
      let finish_linear_w_at = vec4<f32>(finish_linear_w[k4 * 16], finish_linear_w[k4 * 16 + 4], finish_linear_w[k4 * 16 + 8], finish_linear_w[k4 * 16 + 12]);
      let acc = subgroupAdd(sum4(select(vec4<f32>(0.0), pooled_at * finish_linear_w_at, vec4<bool>(thread < 4))));
      let at_1 = acc + finish_linear_b_at;
      if (thread == 0) {
        finish_linear_y[n * 4] = at_1;
      }
      if (thread == 0) {
        finish[n * 4] = sigmoid_f32(at_1);
      }
    }
  }
}
