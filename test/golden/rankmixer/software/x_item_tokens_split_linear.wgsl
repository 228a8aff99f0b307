// x_item_tokens_split_linear (item stage)
//   phase 1, x_item_tokens_split_linear: 3.1 kFLOP per row of N
//     reads through vid: lookup
//     reads through x.item_tokens: concat
//     x.item_tokens.split_linear: einsum
//     x.item_tokens.split_linear: add
//     grid   t 2, d 16 by 32, n N by 32; inside k 48
//     plan   one subgroup of 8 lanes, 32 rows × 32 columns
//   phase 2, layers_0_block_norm1: 512 FLOP per row of N
//     reads through x.user_tokens.split_linear: by_request
//     reads through x: concat
//     reads through layers.0.block.s: add
//     layers.0.block.norm1: layer_norm
//     layers.0.block.norm1: mul
//     layers.0.block.norm1: add
//     grid   n N, t 4 by 4; inside d 16
//     plan   8 lanes a row, 1 row at a time, 4 one after another, combined through the subgroup
// reads  videos_rows_item[N, 64], vid_rows[N], stats[N, 32], x_item_tokens_split_linear_w[2, 48, 16], x_item_tokens_split_linear_b[2, 16], x_user_tokens_split_linear[R, 2, 16], request[N], layers_0_block_norm1_gain[16], layers_0_block_norm1_bias[16]
// writes x_item_tokens_split_linear[N, 2, 16], layers_0_block_norm1[N, 4, 16]
// cost   3.62 kFLOP per row of N; 6.4 kB and 904 B per row of N
// grid   n N by 32
// plan   phases one after the other, 8 threads
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> videos_rows_item: array<f32>;
@group(0) @binding(2) var<storage, read> vid_rows: array<i32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> x_item_tokens_split_linear_w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x_item_tokens_split_linear_b: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> x_item_tokens_split_linear: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> x_user_tokens_split_linear: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> request: array<i32>;
@group(0) @binding(9) var<storage, read> layers_0_block_norm1_gain: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read> layers_0_block_norm1_bias: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;

fn sum4(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
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
  let tiles = call.one * 2;
  let k4_end = call.one * 12;
  let n_most = call.one * 32;
  {
    // x_item_tokens_split_linear
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
          var v: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane0];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v = stats_at;
          }
          var v1: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane1];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v1 = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v1 = stats_at;
          }
          var v2: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane2];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v2 = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v2 = stats_at;
          }
          var v3: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane3];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v3 = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v3 = stats_at;
          }
          let x_item_tokens_split_linear_w_at = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near];
          let x_item_tokens_split_linear_w_at1 = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near + 4];
          let x_item_tokens_split_linear_w_at2 = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near + 8];
          let x_item_tokens_split_linear_w_at3 = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near + 12];
          let x = subgroupBroadcast(v, 0);
          acc_0 = acc_0 + x.x * x_item_tokens_split_linear_w_at + x.y * x_item_tokens_split_linear_w_at1 + x.z * x_item_tokens_split_linear_w_at2 + x.w * x_item_tokens_split_linear_w_at3;
          let x1 = subgroupBroadcast(v, 1);
          acc_1 = acc_1 + x1.x * x_item_tokens_split_linear_w_at + x1.y * x_item_tokens_split_linear_w_at1 + x1.z * x_item_tokens_split_linear_w_at2 + x1.w * x_item_tokens_split_linear_w_at3;
          let x2 = subgroupBroadcast(v, 2);
          acc_2 = acc_2 + x2.x * x_item_tokens_split_linear_w_at + x2.y * x_item_tokens_split_linear_w_at1 + x2.z * x_item_tokens_split_linear_w_at2 + x2.w * x_item_tokens_split_linear_w_at3;
          let x3 = subgroupBroadcast(v, 3);
          acc_3 = acc_3 + x3.x * x_item_tokens_split_linear_w_at + x3.y * x_item_tokens_split_linear_w_at1 + x3.z * x_item_tokens_split_linear_w_at2 + x3.w * x_item_tokens_split_linear_w_at3;
          let x4 = subgroupBroadcast(v, 4);
          acc_4 = acc_4 + x4.x * x_item_tokens_split_linear_w_at + x4.y * x_item_tokens_split_linear_w_at1 + x4.z * x_item_tokens_split_linear_w_at2 + x4.w * x_item_tokens_split_linear_w_at3;
          let x5 = subgroupBroadcast(v, 5);
          acc_5 = acc_5 + x5.x * x_item_tokens_split_linear_w_at + x5.y * x_item_tokens_split_linear_w_at1 + x5.z * x_item_tokens_split_linear_w_at2 + x5.w * x_item_tokens_split_linear_w_at3;
          let x6 = subgroupBroadcast(v, 6);
          acc_6 = acc_6 + x6.x * x_item_tokens_split_linear_w_at + x6.y * x_item_tokens_split_linear_w_at1 + x6.z * x_item_tokens_split_linear_w_at2 + x6.w * x_item_tokens_split_linear_w_at3;
          let x7 = subgroupBroadcast(v, 7);
          acc_7 = acc_7 + x7.x * x_item_tokens_split_linear_w_at + x7.y * x_item_tokens_split_linear_w_at1 + x7.z * x_item_tokens_split_linear_w_at2 + x7.w * x_item_tokens_split_linear_w_at3;
          let x8 = subgroupBroadcast(v1, 0);
          acc_8 = acc_8 + x8.x * x_item_tokens_split_linear_w_at + x8.y * x_item_tokens_split_linear_w_at1 + x8.z * x_item_tokens_split_linear_w_at2 + x8.w * x_item_tokens_split_linear_w_at3;
          let x9 = subgroupBroadcast(v1, 1);
          acc_9 = acc_9 + x9.x * x_item_tokens_split_linear_w_at + x9.y * x_item_tokens_split_linear_w_at1 + x9.z * x_item_tokens_split_linear_w_at2 + x9.w * x_item_tokens_split_linear_w_at3;
          let x10 = subgroupBroadcast(v1, 2);
          acc_10 = acc_10 + x10.x * x_item_tokens_split_linear_w_at + x10.y * x_item_tokens_split_linear_w_at1 + x10.z * x_item_tokens_split_linear_w_at2 + x10.w * x_item_tokens_split_linear_w_at3;
          let x11 = subgroupBroadcast(v1, 3);
          acc_11 = acc_11 + x11.x * x_item_tokens_split_linear_w_at + x11.y * x_item_tokens_split_linear_w_at1 + x11.z * x_item_tokens_split_linear_w_at2 + x11.w * x_item_tokens_split_linear_w_at3;
          let x12 = subgroupBroadcast(v1, 4);
          acc_12 = acc_12 + x12.x * x_item_tokens_split_linear_w_at + x12.y * x_item_tokens_split_linear_w_at1 + x12.z * x_item_tokens_split_linear_w_at2 + x12.w * x_item_tokens_split_linear_w_at3;
          let x13 = subgroupBroadcast(v1, 5);
          acc_13 = acc_13 + x13.x * x_item_tokens_split_linear_w_at + x13.y * x_item_tokens_split_linear_w_at1 + x13.z * x_item_tokens_split_linear_w_at2 + x13.w * x_item_tokens_split_linear_w_at3;
          let x14 = subgroupBroadcast(v1, 6);
          acc_14 = acc_14 + x14.x * x_item_tokens_split_linear_w_at + x14.y * x_item_tokens_split_linear_w_at1 + x14.z * x_item_tokens_split_linear_w_at2 + x14.w * x_item_tokens_split_linear_w_at3;
          let x15 = subgroupBroadcast(v1, 7);
          acc_15 = acc_15 + x15.x * x_item_tokens_split_linear_w_at + x15.y * x_item_tokens_split_linear_w_at1 + x15.z * x_item_tokens_split_linear_w_at2 + x15.w * x_item_tokens_split_linear_w_at3;
          let x16 = subgroupBroadcast(v2, 0);
          acc_16 = acc_16 + x16.x * x_item_tokens_split_linear_w_at + x16.y * x_item_tokens_split_linear_w_at1 + x16.z * x_item_tokens_split_linear_w_at2 + x16.w * x_item_tokens_split_linear_w_at3;
          let x17 = subgroupBroadcast(v2, 1);
          acc_17 = acc_17 + x17.x * x_item_tokens_split_linear_w_at + x17.y * x_item_tokens_split_linear_w_at1 + x17.z * x_item_tokens_split_linear_w_at2 + x17.w * x_item_tokens_split_linear_w_at3;
          let x18 = subgroupBroadcast(v2, 2);
          acc_18 = acc_18 + x18.x * x_item_tokens_split_linear_w_at + x18.y * x_item_tokens_split_linear_w_at1 + x18.z * x_item_tokens_split_linear_w_at2 + x18.w * x_item_tokens_split_linear_w_at3;
          let x19 = subgroupBroadcast(v2, 3);
          acc_19 = acc_19 + x19.x * x_item_tokens_split_linear_w_at + x19.y * x_item_tokens_split_linear_w_at1 + x19.z * x_item_tokens_split_linear_w_at2 + x19.w * x_item_tokens_split_linear_w_at3;
          let x20 = subgroupBroadcast(v2, 4);
          acc_20 = acc_20 + x20.x * x_item_tokens_split_linear_w_at + x20.y * x_item_tokens_split_linear_w_at1 + x20.z * x_item_tokens_split_linear_w_at2 + x20.w * x_item_tokens_split_linear_w_at3;
          let x21 = subgroupBroadcast(v2, 5);
          acc_21 = acc_21 + x21.x * x_item_tokens_split_linear_w_at + x21.y * x_item_tokens_split_linear_w_at1 + x21.z * x_item_tokens_split_linear_w_at2 + x21.w * x_item_tokens_split_linear_w_at3;
          let x22 = subgroupBroadcast(v2, 6);
          acc_22 = acc_22 + x22.x * x_item_tokens_split_linear_w_at + x22.y * x_item_tokens_split_linear_w_at1 + x22.z * x_item_tokens_split_linear_w_at2 + x22.w * x_item_tokens_split_linear_w_at3;
          let x23 = subgroupBroadcast(v2, 7);
          acc_23 = acc_23 + x23.x * x_item_tokens_split_linear_w_at + x23.y * x_item_tokens_split_linear_w_at1 + x23.z * x_item_tokens_split_linear_w_at2 + x23.w * x_item_tokens_split_linear_w_at3;
          let x24 = subgroupBroadcast(v3, 0);
          acc_24 = acc_24 + x24.x * x_item_tokens_split_linear_w_at + x24.y * x_item_tokens_split_linear_w_at1 + x24.z * x_item_tokens_split_linear_w_at2 + x24.w * x_item_tokens_split_linear_w_at3;
          let x25 = subgroupBroadcast(v3, 1);
          acc_25 = acc_25 + x25.x * x_item_tokens_split_linear_w_at + x25.y * x_item_tokens_split_linear_w_at1 + x25.z * x_item_tokens_split_linear_w_at2 + x25.w * x_item_tokens_split_linear_w_at3;
          let x26 = subgroupBroadcast(v3, 2);
          acc_26 = acc_26 + x26.x * x_item_tokens_split_linear_w_at + x26.y * x_item_tokens_split_linear_w_at1 + x26.z * x_item_tokens_split_linear_w_at2 + x26.w * x_item_tokens_split_linear_w_at3;
          let x27 = subgroupBroadcast(v3, 3);
          acc_27 = acc_27 + x27.x * x_item_tokens_split_linear_w_at + x27.y * x_item_tokens_split_linear_w_at1 + x27.z * x_item_tokens_split_linear_w_at2 + x27.w * x_item_tokens_split_linear_w_at3;
          let x28 = subgroupBroadcast(v3, 4);
          acc_28 = acc_28 + x28.x * x_item_tokens_split_linear_w_at + x28.y * x_item_tokens_split_linear_w_at1 + x28.z * x_item_tokens_split_linear_w_at2 + x28.w * x_item_tokens_split_linear_w_at3;
          let x29 = subgroupBroadcast(v3, 5);
          acc_29 = acc_29 + x29.x * x_item_tokens_split_linear_w_at + x29.y * x_item_tokens_split_linear_w_at1 + x29.z * x_item_tokens_split_linear_w_at2 + x29.w * x_item_tokens_split_linear_w_at3;
          let x30 = subgroupBroadcast(v3, 6);
          acc_30 = acc_30 + x30.x * x_item_tokens_split_linear_w_at + x30.y * x_item_tokens_split_linear_w_at1 + x30.z * x_item_tokens_split_linear_w_at2 + x30.w * x_item_tokens_split_linear_w_at3;
          let x31 = subgroupBroadcast(v3, 7);
          acc_31 = acc_31 + x31.x * x_item_tokens_split_linear_w_at + x31.y * x_item_tokens_split_linear_w_at1 + x31.z * x_item_tokens_split_linear_w_at2 + x31.w * x_item_tokens_split_linear_w_at3;
        }
      } else {
        for (var k4 = 0; k4 < k4_end; k4++) {
          var v: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane0];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane0 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v = stats_at;
          }
          var v1: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane1];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v1 = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane1 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v1 = stats_at;
          }
          var v2: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane2];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v2 = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane2 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v2 = stats_at;
          }
          var v3: vec4<f32> = vec4<f32>(0.0);
          if (tile * 12 + k4 < 16) {
            let vid_rows_at = vid_rows[n_lane3];
            let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(tile * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
            let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
            v3 = videos_rows_item_at;
          } else {
            let stats_at = vec4<f32>(stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 64, 0)], stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 63, 0)], stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 62, 0)], stats[n_lane3 * 32 + max(tile * 48 + k4 * 4 - 61, 0)]);
            v3 = stats_at;
          }
          let x_item_tokens_split_linear_w_at = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near];
          let x_item_tokens_split_linear_w_at1 = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near + 4];
          let x_item_tokens_split_linear_w_at2 = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near + 8];
          let x_item_tokens_split_linear_w_at3 = x_item_tokens_split_linear_w[tile * 192 + k4 * 16 + d4_near + 12];
          let x = subgroupBroadcast(v, 0);
          acc_0 = acc_0 + x.x * x_item_tokens_split_linear_w_at + x.y * x_item_tokens_split_linear_w_at1 + x.z * x_item_tokens_split_linear_w_at2 + x.w * x_item_tokens_split_linear_w_at3;
        }
      }
      let n_rows = min(n_most, n_to - n0);
      let x_item_tokens_split_linear_b_at = x_item_tokens_split_linear_b[tile * 4 + d4_near];
      for (var n_turn = 0; n_turn < n_rows; n_turn += 4) {
        let n_first = n0 + n_turn;
        if (d4 * 4 < 16) {
          if (n_first < n_to) {
            x_item_tokens_split_linear[n_first * 8 + tile * 4 + d4_near] = acc_0 + x_item_tokens_split_linear_b_at;
          }
          if (n_first + 1 < n_to) {
            let n_1 = n_first + 1;
            x_item_tokens_split_linear[n_1 * 8 + tile * 4 + d4_near] = acc_1 + x_item_tokens_split_linear_b_at;
          }
          if (n_first + 2 < n_to) {
            let n_2 = n_first + 2;
            x_item_tokens_split_linear[n_2 * 8 + tile * 4 + d4_near] = acc_2 + x_item_tokens_split_linear_b_at;
          }
          if (n_first + 3 < n_to) {
            let n_3 = n_first + 3;
            x_item_tokens_split_linear[n_3 * 8 + tile * 4 + d4_near] = acc_3 + x_item_tokens_split_linear_b_at;
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
  let turns = call.one * 4;
  {
    // layers_0_block_norm1
    for (var tile = 0; tile < n_to - n0; tile++) {
      let n = n0 + tile;
      let d4 = min(thread, 3);
      for (var turn = 0; turn < turns; turn++) {
        var v: vec4<f32> = vec4<f32>(0.0);
        if (d4 < 2) {
          let request_at = request[n];
          let x_user_tokens_split_linear_at = x_user_tokens_split_linear[request_at * 8 + min(d4, 1) * 4 + turn];
          v = x_user_tokens_split_linear_at;
        } else {
          let x_item_tokens_split_linear_at = x_item_tokens_split_linear[n * 8 + max(d4 - 2, 0) * 4 + turn];
          v = x_item_tokens_split_linear_at;
        }
        var v1: vec4<f32> = vec4<f32>(0.0);
        if (turn < 2) {
          let request_at = request[n];
          let x_user_tokens_split_linear_at = x_user_tokens_split_linear[request_at * 8 + min(turn, 1) * 4 + d4];
          v1 = x_user_tokens_split_linear_at;
        } else {
          let x_item_tokens_split_linear_at = x_item_tokens_split_linear[n * 8 + max(turn - 2, 0) * 4 + d4];
          v1 = x_item_tokens_split_linear_at;
        }
        let x = v + v1;
        let mean = subgroupAdd(sum4(select(vec4<f32>(0.0), x, vec4<bool>(thread < 4)))) / 16.0;
        let away = x - vec4<f32>(mean);
        let m2 = subgroupAdd(sum4(select(vec4<f32>(0.0), away * away, vec4<bool>(thread < 4))));
        if (thread < 4) {
          let layers_0_block_norm1_gain_at = layers_0_block_norm1_gain[d4];
          let layers_0_block_norm1_bias_at = layers_0_block_norm1_bias[d4];
          layers_0_block_norm1[n * 16 + turn * 4 + d4] = (v + v1 - mean) * inverseSqrt(m2 / 16.0 + 0.00001) * layers_0_block_norm1_gain_at + layers_0_block_norm1_bias_at;
        }
      }
    }
  }
}
