// x_item_tokens_split_linear (item stage)
//   reads through vid: lookup
//   reads through x.item_tokens: concat
//   x.item_tokens.split_linear: einsum
//   x.item_tokens.split_linear: add
// reads  videos_rows_item[N, 64], vid_rows[N], stats[N, 32], x_item_tokens_split_linear_w[2, 48, 16], x_item_tokens_split_linear_b[2, 16]
// writes x_item_tokens_split_linear[N, 2, 16]
// cost   3.1 kFLOP per row of N; 6.27 kB and 516 B per row of N
// grid   t 2, d 16 by 32, n N by 16; inside k 48
// plan   8 × 8 threads, 2 × 4 accumulators each

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> videos_rows_item: array<f32>;
@group(0) @binding(2) var<storage, read> vid_rows: array<i32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> x_item_tokens_split_linear_w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x_item_tokens_split_linear_b: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> x_item_tokens_split_linear: array<vec4<f32>>;
var<workgroup> a_tile: array<f32, 256>;
var<workgroup> b_tile: array<vec4<f32>, 128>;

@compute @workgroup_size(64)
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
  let row = thread / 8;
  let column = thread % 8;
  var acc_0_0: vec4<f32>;
  var acc_1_0: vec4<f32>;
  let k_step = call.one * 16;
  let k_blocks = call.one * 3;
  for (var block = 0; block < k_blocks; block++) {
    let at_row = thread / 4;
    let at_k = thread % 4;
    let k4 = block * 4 + at_k;
    let n_stage0 = min(n0 + at_row, n_end - 1);
    var v: vec4<f32> = vec4<f32>(0.0);
    if (t * 12 + k4 < 16) {
      let vid_rows_at = vid_rows[n_stage0];
      let place = min(max(vid_rows_at, 0), 4999999) * 64 + min(t * 48 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
      let videos_rows_item_at = vec4<f32>(videos_rows_item[place.x], videos_rows_item[place.y], videos_rows_item[place.z], videos_rows_item[place.w]);
      v = videos_rows_item_at;
    } else {
      let stats_at = vec4<f32>(stats[n_stage0 * 32 + max(t * 48 + k4 * 4 - 64, 0)], stats[n_stage0 * 32 + max(t * 48 + k4 * 4 - 63, 0)], stats[n_stage0 * 32 + max(t * 48 + k4 * 4 - 62, 0)], stats[n_stage0 * 32 + max(t * 48 + k4 * 4 - 61, 0)]);
      v = stats_at;
    }
    a_tile[at_k * 4 * 16 + at_row] = v.x;
    a_tile[(at_k * 4 + 1) * 16 + at_row] = v.y;
    a_tile[(at_k * 4 + 2) * 16 + at_row] = v.z;
    a_tile[(at_k * 4 + 3) * 16 + at_row] = v.w;
    let at_column = thread % 8;
    let k = block * 16 + thread / 8;
    let d4_stage0 = min(at_column, 3);
    let x_item_tokens_split_linear_w_at = x_item_tokens_split_linear_w[t * 192 + k * 4 + d4_stage0];
    b_tile[thread] = x_item_tokens_split_linear_w_at;
    let at_column1 = (thread + 64) % 8;
    let k1 = block * 16 + (thread + 64) / 8;
    let d4_stage1 = min(at_column1, 3);
    let x_item_tokens_split_linear_w_at1 = x_item_tokens_split_linear_w[t * 192 + k1 * 4 + d4_stage1];
    b_tile[thread + 64] = x_item_tokens_split_linear_w_at1;
    workgroupBarrier();
    for (var k2 = 0; k2 < k_step; k2++) {
      let a0 = a_tile[k2 * 16 + row * 2];
      let a1 = a_tile[k2 * 16 + row * 2 + 1];
      let b0 = b_tile[k2 * 8 + column];
      acc_0_0 += a0 * b0;
      acc_1_0 += a1 * b0;
    }
    workgroupBarrier();
  }
  let n_row0 = min(n0 + row * 2, n_end - 1);
  let d4_column0 = min(column, 3);
  let x_item_tokens_split_linear_b_at = x_item_tokens_split_linear_b[t * 4 + d4_column0];
  if (n0 + row * 2 < n_end && column * 4 < 16) {
    x_item_tokens_split_linear[n_row0 * 8 + t * 4 + d4_column0] = acc_0_0 + x_item_tokens_split_linear_b_at;
  }
  let n_row1 = min(n0 + (row * 2 + 1), n_end - 1);
  if (n0 + (row * 2 + 1) < n_end && column * 4 < 16) {
    x_item_tokens_split_linear[n_row1 * 8 + t * 4 + d4_column0] = acc_1_0 + x_item_tokens_split_linear_b_at;
  }
}
