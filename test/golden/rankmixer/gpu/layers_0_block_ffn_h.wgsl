// layers_0_block_ffn_h (item stage)
//   layers.0.block.ffn.h: einsum
//   layers.0.block.ffn.h: add
//   layers.0.block.ffn.h: gelu
// reads  layers_0_block_norm1[N, 4, 16], layers_0_block_ffn_w1[4, 16, 64], layers_0_block_ffn_w1_scale[4, 64], layers_0_block_ffn_b1[4, 64]
// writes layers_0_block_ffn_h[N, 4, 64]
// cost   14.1 kFLOP per row of N; 6.14 kB and 1.28 kB per row of N
// grid   t 4, d 64 by 64, n N by 64; inside k 16
// plan   16 × 16 threads, 4 × 4 accumulators each

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> layers_0_block_ffn_w1: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> layers_0_block_ffn_w1_scale: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> layers_0_block_ffn_b1: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> layers_0_block_ffn_h: array<vec4<f32>>;

fn layers_0_block_ffn_w1_element(i: i32) -> u32 {
  return layers_0_block_ffn_w1[u32(i) / 4][u32(i) % 4];
}
var<workgroup> a_tile: array<f32, 1024>;
var<workgroup> b_tile: array<vec4<f32>, 256>;

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

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let n_end = call.rows;
  let n_tiles = (n_end + 63) / 64;
  if (group >= 4 * n_tiles) { return; }
  let n0 = group % n_tiles * 64;
  let t = group / n_tiles;
  let row = thread / 16;
  let column = thread % 16;
  var acc_0_0: vec4<f32>;
  var acc_1_0: vec4<f32>;
  var acc_2_0: vec4<f32>;
  var acc_3_0: vec4<f32>;
  let k_step = call.one * 16;
  let k_blocks = call.one;
  for (var block = 0; block < k_blocks; block++) {
    let at_row = thread / 4;
    let at_k = thread % 4;
    let k4 = block * 4 + at_k;
    let n_stage0 = min(n0 + at_row, n_end - 1);
    let layers_0_block_norm1_at = layers_0_block_norm1[n_stage0 * 16 + t * 4 + k4];
    a_tile[at_k * 4 * 64 + at_row] = layers_0_block_norm1_at.x;
    a_tile[(at_k * 4 + 1) * 64 + at_row] = layers_0_block_norm1_at.y;
    a_tile[(at_k * 4 + 2) * 64 + at_row] = layers_0_block_norm1_at.z;
    a_tile[(at_k * 4 + 3) * 64 + at_row] = layers_0_block_norm1_at.w;
    let at_column = thread % 16;
    let k = block * 16 + thread / 16;
    let layers_0_block_ffn_w1_at = unpack_int8_u32(layers_0_block_ffn_w1_element(t * 256 + k / 4 * 64 + at_column * 4 + k % 4));
    b_tile[thread] = layers_0_block_ffn_w1_at;
    workgroupBarrier();
    for (var k1 = 0; k1 < k_step; k1++) {
      let a0 = a_tile[k1 * 64 + row * 4];
      let a1 = a_tile[k1 * 64 + row * 4 + 1];
      let a2 = a_tile[k1 * 64 + row * 4 + 2];
      let a3 = a_tile[k1 * 64 + row * 4 + 3];
      let b0 = b_tile[k1 * 16 + column];
      acc_0_0 += a0 * b0;
      acc_1_0 += a1 * b0;
      acc_2_0 += a2 * b0;
      acc_3_0 += a3 * b0;
    }
    workgroupBarrier();
  }
  let n_row0 = min(n0 + row * 4, n_end - 1);
  let layers_0_block_ffn_w1_scale_at = layers_0_block_ffn_w1_scale[t * 16 + column];
  let layers_0_block_ffn_b1_at = layers_0_block_ffn_b1[t * 16 + column];
  if (n0 + row * 4 < n_end) {
    layers_0_block_ffn_h[n_row0 * 64 + t * 16 + column] = gelu_f32x4(acc_0_0 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
  }
  let n_row1 = min(n0 + (row * 4 + 1), n_end - 1);
  if (n0 + (row * 4 + 1) < n_end) {
    layers_0_block_ffn_h[n_row1 * 64 + t * 16 + column] = gelu_f32x4(acc_1_0 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
  }
  let n_row2 = min(n0 + (row * 4 + 2), n_end - 1);
  if (n0 + (row * 4 + 2) < n_end) {
    layers_0_block_ffn_h[n_row2 * 64 + t * 16 + column] = gelu_f32x4(acc_2_0 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
  }
  let n_row3 = min(n0 + (row * 4 + 3), n_end - 1);
  if (n0 + (row * 4 + 3) < n_end) {
    layers_0_block_ffn_h[n_row3 * 64 + t * 16 + column] = gelu_f32x4(acc_3_0 * layers_0_block_ffn_w1_scale_at + layers_0_block_ffn_b1_at);
  }
}
