// x_item_tokens_split_linear (item stage)
//   reads through vid: lookup
//   reads through x.item_tokens: concat
//   x.item_tokens.split_linear: einsum
//   x.item_tokens.split_linear: add
// reads  videos_rows_item[N, 64], vid_rows[N], stats[N, 32], x_item_tokens_split_linear_w[2, 48, 16], x_item_tokens_split_linear_b[2, 16]
// writes x_item_tokens_split_linear[N, 2, 16]
// cost   3.1 kFLOP per row of N; 6.27 kB and 516 B per row of N
// grid   t 2, d 16 by 32, n N by 16; inside k 48
// plan   one subgroup of 8 lanes, 16 rows × 32 columns
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> videos_rows_item: array<f32>;
@group(0) @binding(2) var<storage, read> vid_rows: array<i32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> x_item_tokens_split_linear_w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x_item_tokens_split_linear_b: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> x_item_tokens_split_linear: array<vec4<f32>>;

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
  if (group >= 2 * n_tiles) { return; }
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
  let k4_end = call.one * 12;
  if (n0 + 1 < n_end) {
    for (var k4 = 0; k4 < k4_end; k4++) {
      var v: vec4<f32> = vec4<f32>(0.0);
      if (t * 12 + k4 < 16) {
        let vid_rows_at = vid_rows[n_lane0];
        let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(t * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
        let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
        v = videos_rows_item_at;
      } else {
        let stats_at = vec4<f32>(stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 64, 0)], stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 63, 0)], stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 62, 0)], stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 61, 0)]);
        v = stats_at;
      }
      var v1: vec4<f32> = vec4<f32>(0.0);
      if (t * 12 + k4 < 16) {
        let vid_rows_at = vid_rows[n_lane1];
        let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(t * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
        let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
        v1 = videos_rows_item_at;
      } else {
        let stats_at = vec4<f32>(stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 64, 0)], stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 63, 0)], stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 62, 0)], stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 61, 0)]);
        v1 = stats_at;
      }
      let x_item_tokens_split_linear_w_at = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near];
      acc_0 += subgroupBroadcast(v.x, 0) * x_item_tokens_split_linear_w_at;
      acc_1 += subgroupBroadcast(v.x, 1) * x_item_tokens_split_linear_w_at;
      acc_2 += subgroupBroadcast(v.x, 2) * x_item_tokens_split_linear_w_at;
      acc_3 += subgroupBroadcast(v.x, 3) * x_item_tokens_split_linear_w_at;
      acc_4 += subgroupBroadcast(v.x, 4) * x_item_tokens_split_linear_w_at;
      acc_5 += subgroupBroadcast(v.x, 5) * x_item_tokens_split_linear_w_at;
      acc_6 += subgroupBroadcast(v.x, 6) * x_item_tokens_split_linear_w_at;
      acc_7 += subgroupBroadcast(v.x, 7) * x_item_tokens_split_linear_w_at;
      acc_8 += subgroupBroadcast(v1.x, 0) * x_item_tokens_split_linear_w_at;
      acc_9 += subgroupBroadcast(v1.x, 1) * x_item_tokens_split_linear_w_at;
      acc_10 += subgroupBroadcast(v1.x, 2) * x_item_tokens_split_linear_w_at;
      acc_11 += subgroupBroadcast(v1.x, 3) * x_item_tokens_split_linear_w_at;
      acc_12 += subgroupBroadcast(v1.x, 4) * x_item_tokens_split_linear_w_at;
      acc_13 += subgroupBroadcast(v1.x, 5) * x_item_tokens_split_linear_w_at;
      acc_14 += subgroupBroadcast(v1.x, 6) * x_item_tokens_split_linear_w_at;
      acc_15 += subgroupBroadcast(v1.x, 7) * x_item_tokens_split_linear_w_at;
      let x_item_tokens_split_linear_w_at1 = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near + 4];
      acc_0 += subgroupBroadcast(v.y, 0) * x_item_tokens_split_linear_w_at1;
      acc_1 += subgroupBroadcast(v.y, 1) * x_item_tokens_split_linear_w_at1;
      acc_2 += subgroupBroadcast(v.y, 2) * x_item_tokens_split_linear_w_at1;
      acc_3 += subgroupBroadcast(v.y, 3) * x_item_tokens_split_linear_w_at1;
      acc_4 += subgroupBroadcast(v.y, 4) * x_item_tokens_split_linear_w_at1;
      acc_5 += subgroupBroadcast(v.y, 5) * x_item_tokens_split_linear_w_at1;
      acc_6 += subgroupBroadcast(v.y, 6) * x_item_tokens_split_linear_w_at1;
      acc_7 += subgroupBroadcast(v.y, 7) * x_item_tokens_split_linear_w_at1;
      acc_8 += subgroupBroadcast(v1.y, 0) * x_item_tokens_split_linear_w_at1;
      acc_9 += subgroupBroadcast(v1.y, 1) * x_item_tokens_split_linear_w_at1;
      acc_10 += subgroupBroadcast(v1.y, 2) * x_item_tokens_split_linear_w_at1;
      acc_11 += subgroupBroadcast(v1.y, 3) * x_item_tokens_split_linear_w_at1;
      acc_12 += subgroupBroadcast(v1.y, 4) * x_item_tokens_split_linear_w_at1;
      acc_13 += subgroupBroadcast(v1.y, 5) * x_item_tokens_split_linear_w_at1;
      acc_14 += subgroupBroadcast(v1.y, 6) * x_item_tokens_split_linear_w_at1;
      acc_15 += subgroupBroadcast(v1.y, 7) * x_item_tokens_split_linear_w_at1;
      let x_item_tokens_split_linear_w_at2 = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near + 8];
      acc_0 += subgroupBroadcast(v.z, 0) * x_item_tokens_split_linear_w_at2;
      acc_1 += subgroupBroadcast(v.z, 1) * x_item_tokens_split_linear_w_at2;
      acc_2 += subgroupBroadcast(v.z, 2) * x_item_tokens_split_linear_w_at2;
      acc_3 += subgroupBroadcast(v.z, 3) * x_item_tokens_split_linear_w_at2;
      acc_4 += subgroupBroadcast(v.z, 4) * x_item_tokens_split_linear_w_at2;
      acc_5 += subgroupBroadcast(v.z, 5) * x_item_tokens_split_linear_w_at2;
      acc_6 += subgroupBroadcast(v.z, 6) * x_item_tokens_split_linear_w_at2;
      acc_7 += subgroupBroadcast(v.z, 7) * x_item_tokens_split_linear_w_at2;
      acc_8 += subgroupBroadcast(v1.z, 0) * x_item_tokens_split_linear_w_at2;
      acc_9 += subgroupBroadcast(v1.z, 1) * x_item_tokens_split_linear_w_at2;
      acc_10 += subgroupBroadcast(v1.z, 2) * x_item_tokens_split_linear_w_at2;
      acc_11 += subgroupBroadcast(v1.z, 3) * x_item_tokens_split_linear_w_at2;
      acc_12 += subgroupBroadcast(v1.z, 4) * x_item_tokens_split_linear_w_at2;
      acc_13 += subgroupBroadcast(v1.z, 5) * x_item_tokens_split_linear_w_at2;
      acc_14 += subgroupBroadcast(v1.z, 6) * x_item_tokens_split_linear_w_at2;
      acc_15 += subgroupBroadcast(v1.z, 7) * x_item_tokens_split_linear_w_at2;
      let x_item_tokens_split_linear_w_at3 = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near + 12];
      acc_0 += subgroupBroadcast(v.w, 0) * x_item_tokens_split_linear_w_at3;
      acc_1 += subgroupBroadcast(v.w, 1) * x_item_tokens_split_linear_w_at3;
      acc_2 += subgroupBroadcast(v.w, 2) * x_item_tokens_split_linear_w_at3;
      acc_3 += subgroupBroadcast(v.w, 3) * x_item_tokens_split_linear_w_at3;
      acc_4 += subgroupBroadcast(v.w, 4) * x_item_tokens_split_linear_w_at3;
      acc_5 += subgroupBroadcast(v.w, 5) * x_item_tokens_split_linear_w_at3;
      acc_6 += subgroupBroadcast(v.w, 6) * x_item_tokens_split_linear_w_at3;
      acc_7 += subgroupBroadcast(v.w, 7) * x_item_tokens_split_linear_w_at3;
      acc_8 += subgroupBroadcast(v1.w, 0) * x_item_tokens_split_linear_w_at3;
      acc_9 += subgroupBroadcast(v1.w, 1) * x_item_tokens_split_linear_w_at3;
      acc_10 += subgroupBroadcast(v1.w, 2) * x_item_tokens_split_linear_w_at3;
      acc_11 += subgroupBroadcast(v1.w, 3) * x_item_tokens_split_linear_w_at3;
      acc_12 += subgroupBroadcast(v1.w, 4) * x_item_tokens_split_linear_w_at3;
      acc_13 += subgroupBroadcast(v1.w, 5) * x_item_tokens_split_linear_w_at3;
      acc_14 += subgroupBroadcast(v1.w, 6) * x_item_tokens_split_linear_w_at3;
      acc_15 += subgroupBroadcast(v1.w, 7) * x_item_tokens_split_linear_w_at3;
    }
  } else {
    for (var k4 = 0; k4 < k4_end; k4++) {
      var v: vec4<f32> = vec4<f32>(0.0);
      if (t * 12 + k4 < 16) {
        let vid_rows_at = vid_rows[n_lane0];
        let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(t * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
        let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
        v = videos_rows_item_at;
      } else {
        let stats_at = vec4<f32>(stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 64, 0)], stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 63, 0)], stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 62, 0)], stats[n_lane0 * 32 + max(t * 48 + k4 * 4 - 61, 0)]);
        v = stats_at;
      }
      var v1: vec4<f32> = vec4<f32>(0.0);
      if (t * 12 + k4 < 16) {
        let vid_rows_at = vid_rows[n_lane1];
        let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(t * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
        let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
        v1 = videos_rows_item_at;
      } else {
        let stats_at = vec4<f32>(stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 64, 0)], stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 63, 0)], stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 62, 0)], stats[n_lane1 * 32 + max(t * 48 + k4 * 4 - 61, 0)]);
        v1 = stats_at;
      }
      let x_item_tokens_split_linear_w_at = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near];
      acc_0 += subgroupBroadcast(v.x, 0) * x_item_tokens_split_linear_w_at;
      let x_item_tokens_split_linear_w_at1 = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near + 4];
      acc_0 += subgroupBroadcast(v.y, 0) * x_item_tokens_split_linear_w_at1;
      let x_item_tokens_split_linear_w_at2 = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near + 8];
      acc_0 += subgroupBroadcast(v.z, 0) * x_item_tokens_split_linear_w_at2;
      let x_item_tokens_split_linear_w_at3 = x_item_tokens_split_linear_w[t * 192 + k4 * 16 + d4_near + 12];
      acc_0 += subgroupBroadcast(v.w, 0) * x_item_tokens_split_linear_w_at3;
    }
  }
  let x_item_tokens_split_linear_b_at = x_item_tokens_split_linear_b[t * 4 + d4_near];
  if (d4 * 4 < 16) {
    if (n0 < n_end) {
      x_item_tokens_split_linear[n0 * 8 + t * 4 + d4_near] = acc_0 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 1 < n_end) {
      let n_1 = n0 + 1;
      x_item_tokens_split_linear[n_1 * 8 + t * 4 + d4_near] = acc_1 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 2 < n_end) {
      let n_2 = n0 + 2;
      x_item_tokens_split_linear[n_2 * 8 + t * 4 + d4_near] = acc_2 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 3 < n_end) {
      let n_3 = n0 + 3;
      x_item_tokens_split_linear[n_3 * 8 + t * 4 + d4_near] = acc_3 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 4 < n_end) {
      let n_4 = n0 + 4;
      x_item_tokens_split_linear[n_4 * 8 + t * 4 + d4_near] = acc_4 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 5 < n_end) {
      let n_5 = n0 + 5;
      x_item_tokens_split_linear[n_5 * 8 + t * 4 + d4_near] = acc_5 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 6 < n_end) {
      let n_6 = n0 + 6;
      x_item_tokens_split_linear[n_6 * 8 + t * 4 + d4_near] = acc_6 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 7 < n_end) {
      let n_7 = n0 + 7;
      x_item_tokens_split_linear[n_7 * 8 + t * 4 + d4_near] = acc_7 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 8 < n_end) {
      let n_8 = n0 + 8;
      x_item_tokens_split_linear[n_8 * 8 + t * 4 + d4_near] = acc_8 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 9 < n_end) {
      let n_9 = n0 + 9;
      x_item_tokens_split_linear[n_9 * 8 + t * 4 + d4_near] = acc_9 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 10 < n_end) {
      let n_10 = n0 + 10;
      x_item_tokens_split_linear[n_10 * 8 + t * 4 + d4_near] = acc_10 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 11 < n_end) {
      let n_11 = n0 + 11;
      x_item_tokens_split_linear[n_11 * 8 + t * 4 + d4_near] = acc_11 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 12 < n_end) {
      let n_12 = n0 + 12;
      x_item_tokens_split_linear[n_12 * 8 + t * 4 + d4_near] = acc_12 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 13 < n_end) {
      let n_13 = n0 + 13;
      x_item_tokens_split_linear[n_13 * 8 + t * 4 + d4_near] = acc_13 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 14 < n_end) {
      let n_14 = n0 + 14;
      x_item_tokens_split_linear[n_14 * 8 + t * 4 + d4_near] = acc_14 + x_item_tokens_split_linear_b_at;
    }
    if (n0 + 15 < n_end) {
      let n_15 = n0 + 15;
      x_item_tokens_split_linear[n_15 * 8 + t * 4 + d4_near] = acc_15 + x_item_tokens_split_linear_b_at;
    }
  }
}
