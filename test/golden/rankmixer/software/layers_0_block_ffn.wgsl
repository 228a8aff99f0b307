// layers_0_block_ffn (item stage)
//   layers.0.block.ffn: einsum
//   layers.0.block.ffn: add
//   layers.0.block: add
// reads  layers_0_block_ffn_h[N, 4, 64], layers_0_block_ffn_w2[4, 64, 16], layers_0_block_ffn_b2[4, 16], layers_0_block_norm1[N, 4, 16]
// writes layers_0_block[N, 4, 16]
// cost   8.32 kFLOP per row of N; 16.6 kB and 1.54 kB per row of N
// grid   t 4, d 16 by 32, n N by 16; inside k 64
// plan   one subgroup of 8 lanes, 16 rows × 32 columns
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_ffn_h: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> layers_0_block_ffn_w2: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> layers_0_block_ffn_b2: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> layers_0_block: array<vec4<f32>>;

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
  if (group >= 4 * n_tiles) { return; }
  let n0 = group % n_tiles * 16;
  let t = group / n_tiles;
  let d4 = thread;
  let d4_near = min(d4, 3);
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
  let k4_end = call.one * 16;
  if (n0 + 1 < n_end) {
    for (var k4 = 0; k4 < k4_end; k4++) {
      let layers_0_block_ffn_h_at = layers_0_block_ffn_h[n_lane0 * 64 + t * 16 + k4];
      let layers_0_block_ffn_h_at1 = layers_0_block_ffn_h[n_lane1 * 64 + t * 16 + k4];
      let layers_0_block_ffn_w2_at = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 0) * layers_0_block_ffn_w2_at;
      acc_1 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 1) * layers_0_block_ffn_w2_at;
      acc_2 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 2) * layers_0_block_ffn_w2_at;
      acc_3 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 3) * layers_0_block_ffn_w2_at;
      acc_4 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 4) * layers_0_block_ffn_w2_at;
      acc_5 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 5) * layers_0_block_ffn_w2_at;
      acc_6 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 6) * layers_0_block_ffn_w2_at;
      acc_7 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 7) * layers_0_block_ffn_w2_at;
      acc_8 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 0) * layers_0_block_ffn_w2_at;
      acc_9 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 1) * layers_0_block_ffn_w2_at;
      acc_10 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 2) * layers_0_block_ffn_w2_at;
      acc_11 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 3) * layers_0_block_ffn_w2_at;
      acc_12 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 4) * layers_0_block_ffn_w2_at;
      acc_13 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 5) * layers_0_block_ffn_w2_at;
      acc_14 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 6) * layers_0_block_ffn_w2_at;
      acc_15 += subgroupBroadcast(layers_0_block_ffn_h_at1.x, 7) * layers_0_block_ffn_w2_at;
      let layers_0_block_ffn_w2_at1 = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near + 4];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 0) * layers_0_block_ffn_w2_at1;
      acc_1 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 1) * layers_0_block_ffn_w2_at1;
      acc_2 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 2) * layers_0_block_ffn_w2_at1;
      acc_3 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 3) * layers_0_block_ffn_w2_at1;
      acc_4 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 4) * layers_0_block_ffn_w2_at1;
      acc_5 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 5) * layers_0_block_ffn_w2_at1;
      acc_6 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 6) * layers_0_block_ffn_w2_at1;
      acc_7 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 7) * layers_0_block_ffn_w2_at1;
      acc_8 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 0) * layers_0_block_ffn_w2_at1;
      acc_9 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 1) * layers_0_block_ffn_w2_at1;
      acc_10 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 2) * layers_0_block_ffn_w2_at1;
      acc_11 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 3) * layers_0_block_ffn_w2_at1;
      acc_12 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 4) * layers_0_block_ffn_w2_at1;
      acc_13 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 5) * layers_0_block_ffn_w2_at1;
      acc_14 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 6) * layers_0_block_ffn_w2_at1;
      acc_15 += subgroupBroadcast(layers_0_block_ffn_h_at1.y, 7) * layers_0_block_ffn_w2_at1;
      let layers_0_block_ffn_w2_at2 = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near + 8];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 0) * layers_0_block_ffn_w2_at2;
      acc_1 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 1) * layers_0_block_ffn_w2_at2;
      acc_2 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 2) * layers_0_block_ffn_w2_at2;
      acc_3 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 3) * layers_0_block_ffn_w2_at2;
      acc_4 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 4) * layers_0_block_ffn_w2_at2;
      acc_5 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 5) * layers_0_block_ffn_w2_at2;
      acc_6 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 6) * layers_0_block_ffn_w2_at2;
      acc_7 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 7) * layers_0_block_ffn_w2_at2;
      acc_8 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 0) * layers_0_block_ffn_w2_at2;
      acc_9 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 1) * layers_0_block_ffn_w2_at2;
      acc_10 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 2) * layers_0_block_ffn_w2_at2;
      acc_11 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 3) * layers_0_block_ffn_w2_at2;
      acc_12 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 4) * layers_0_block_ffn_w2_at2;
      acc_13 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 5) * layers_0_block_ffn_w2_at2;
      acc_14 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 6) * layers_0_block_ffn_w2_at2;
      acc_15 += subgroupBroadcast(layers_0_block_ffn_h_at1.z, 7) * layers_0_block_ffn_w2_at2;
      let layers_0_block_ffn_w2_at3 = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near + 12];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 0) * layers_0_block_ffn_w2_at3;
      acc_1 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 1) * layers_0_block_ffn_w2_at3;
      acc_2 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 2) * layers_0_block_ffn_w2_at3;
      acc_3 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 3) * layers_0_block_ffn_w2_at3;
      acc_4 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 4) * layers_0_block_ffn_w2_at3;
      acc_5 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 5) * layers_0_block_ffn_w2_at3;
      acc_6 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 6) * layers_0_block_ffn_w2_at3;
      acc_7 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 7) * layers_0_block_ffn_w2_at3;
      acc_8 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 0) * layers_0_block_ffn_w2_at3;
      acc_9 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 1) * layers_0_block_ffn_w2_at3;
      acc_10 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 2) * layers_0_block_ffn_w2_at3;
      acc_11 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 3) * layers_0_block_ffn_w2_at3;
      acc_12 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 4) * layers_0_block_ffn_w2_at3;
      acc_13 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 5) * layers_0_block_ffn_w2_at3;
      acc_14 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 6) * layers_0_block_ffn_w2_at3;
      acc_15 += subgroupBroadcast(layers_0_block_ffn_h_at1.w, 7) * layers_0_block_ffn_w2_at3;
    }
  } else {
    for (var k4 = 0; k4 < k4_end; k4++) {
      let layers_0_block_ffn_h_at = layers_0_block_ffn_h[n_lane0 * 64 + t * 16 + k4];
      let layers_0_block_ffn_h_at1 = layers_0_block_ffn_h[n_lane1 * 64 + t * 16 + k4];
      let layers_0_block_ffn_w2_at = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.x, 0) * layers_0_block_ffn_w2_at;
      let layers_0_block_ffn_w2_at1 = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near + 4];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.y, 0) * layers_0_block_ffn_w2_at1;
      let layers_0_block_ffn_w2_at2 = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near + 8];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.z, 0) * layers_0_block_ffn_w2_at2;
      let layers_0_block_ffn_w2_at3 = layers_0_block_ffn_w2[t * 256 + k4 * 16 + d4_near + 12];
      acc_0 += subgroupBroadcast(layers_0_block_ffn_h_at.w, 0) * layers_0_block_ffn_w2_at3;
    }
  }
  let layers_0_block_ffn_b2_at = layers_0_block_ffn_b2[t * 4 + d4_near];
  if (d4 * 4 < 16) {
    if (n0 < n_end) {
      let layers_0_block_norm1_at = layers_0_block_norm1[n0 * 16 + t * 4 + d4_near];
      layers_0_block[n0 * 16 + t * 4 + d4_near] = acc_0 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 1 < n_end) {
      let n_1 = n0 + 1;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_1 * 16 + t * 4 + d4_near];
      layers_0_block[n_1 * 16 + t * 4 + d4_near] = acc_1 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 2 < n_end) {
      let n_2 = n0 + 2;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_2 * 16 + t * 4 + d4_near];
      layers_0_block[n_2 * 16 + t * 4 + d4_near] = acc_2 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 3 < n_end) {
      let n_3 = n0 + 3;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_3 * 16 + t * 4 + d4_near];
      layers_0_block[n_3 * 16 + t * 4 + d4_near] = acc_3 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 4 < n_end) {
      let n_4 = n0 + 4;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_4 * 16 + t * 4 + d4_near];
      layers_0_block[n_4 * 16 + t * 4 + d4_near] = acc_4 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 5 < n_end) {
      let n_5 = n0 + 5;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_5 * 16 + t * 4 + d4_near];
      layers_0_block[n_5 * 16 + t * 4 + d4_near] = acc_5 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 6 < n_end) {
      let n_6 = n0 + 6;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_6 * 16 + t * 4 + d4_near];
      layers_0_block[n_6 * 16 + t * 4 + d4_near] = acc_6 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 7 < n_end) {
      let n_7 = n0 + 7;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_7 * 16 + t * 4 + d4_near];
      layers_0_block[n_7 * 16 + t * 4 + d4_near] = acc_7 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 8 < n_end) {
      let n_8 = n0 + 8;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_8 * 16 + t * 4 + d4_near];
      layers_0_block[n_8 * 16 + t * 4 + d4_near] = acc_8 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 9 < n_end) {
      let n_9 = n0 + 9;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_9 * 16 + t * 4 + d4_near];
      layers_0_block[n_9 * 16 + t * 4 + d4_near] = acc_9 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 10 < n_end) {
      let n_10 = n0 + 10;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_10 * 16 + t * 4 + d4_near];
      layers_0_block[n_10 * 16 + t * 4 + d4_near] = acc_10 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 11 < n_end) {
      let n_11 = n0 + 11;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_11 * 16 + t * 4 + d4_near];
      layers_0_block[n_11 * 16 + t * 4 + d4_near] = acc_11 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 12 < n_end) {
      let n_12 = n0 + 12;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_12 * 16 + t * 4 + d4_near];
      layers_0_block[n_12 * 16 + t * 4 + d4_near] = acc_12 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 13 < n_end) {
      let n_13 = n0 + 13;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_13 * 16 + t * 4 + d4_near];
      layers_0_block[n_13 * 16 + t * 4 + d4_near] = acc_13 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 14 < n_end) {
      let n_14 = n0 + 14;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_14 * 16 + t * 4 + d4_near];
      layers_0_block[n_14 * 16 + t * 4 + d4_near] = acc_14 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
    if (n0 + 15 < n_end) {
      let n_15 = n0 + 15;
      let layers_0_block_norm1_at = layers_0_block_norm1[n_15 * 16 + t * 4 + d4_near];
      layers_0_block[n_15 * 16 + t * 4 + d4_near] = acc_15 + layers_0_block_ffn_b2_at + layers_0_block_norm1_at;
    }
  }
}
