// x_user_tokens_split_linear (user stage)
//   reads through uid: lookup
//   reads through x.user_tokens: concat, 2 times
//   x.user_tokens.split_linear: einsum
//   x.user_tokens.split_linear: add
// reads  users_rows_user[R, 64], uid_rows[R], x_user_tokens[R, 64], profile[R, 48], x_user_tokens_split_linear_w[2, 88, 16], slot[R], x_user_tokens_split_linear_b[2, 16]
// writes x_user_tokens_split_linear[R, 2, 16]
// cost   5.66 kFLOP per row of R; 11.4 kB and 840 B per row of R
// grid   t 2, d 16 by 256, r R; inside k 88
// plan   1 × 64 threads, 1 × 4 accumulators each

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> users_rows_user: array<f32>;
@group(0) @binding(2) var<storage, read> uid_rows: array<i32>;
@group(0) @binding(3) var<storage, read_write> x_user_tokens: array<f32>;
@group(0) @binding(4) var<storage, read> profile: array<f32>;
@group(0) @binding(5) var<storage, read> x_user_tokens_split_linear_w: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> slot: array<i32>;
@group(0) @binding(7) var<storage, read> x_user_tokens_split_linear_b: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> x_user_tokens_split_linear: array<vec4<f32>>;
var<workgroup> a_tile: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let r_end = call.rows;
  if (group >= 2 * r_end) { return; }
  let r = group % r_end;
  let t = group / r_end;
  let row = thread / 64;
  let column = thread % 64;
  var acc_0_0: vec4<f32>;
  let k_step = call.one * 64;
  let k_blocks = call.one * 2;
  for (var block = 0; block < k_blocks; block++) {
    if (thread < 16) {
      let at_row = thread / 16;
      let at_k = thread % 16;
      let k4 = block * 16 + at_k;
      let r_stage0 = r + at_row;
      var v: vec4<f32> = vec4<f32>(0.0);
      if (t * 22 + min(k4, 21) < 32) {
        let v1 = t * 88 + min(k4, 21) * 4 + vec4<i32>(0, 1, 2, 3);
        let v2 = min(v1, vec4<i32>(127));
        let uid_rows_at = uid_rows[r_stage0];
        let place = min(max(uid_rows_at, 0), 999999) * 64 + min(min(t * 88 + min(k4, 21) * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(127)), vec4<i32>(63));
        let users_rows_user_at = vec4<f32>(users_rows_user[place.x], users_rows_user[place.y], users_rows_user[place.z], users_rows_user[place.w]);
        let x_user_tokens_at = vec4<f32>(x_user_tokens[r_stage0 * 64 + max(min(t * 88 + min(k4, 21) * 4, 127) - 64, 0)], x_user_tokens[r_stage0 * 64 + max(min(t * 88 + min(k4, 21) * 4 + 1, 127) - 64, 0)], x_user_tokens[r_stage0 * 64 + max(min(t * 88 + min(k4, 21) * 4 + 2, 127) - 64, 0)], x_user_tokens[r_stage0 * 64 + max(min(t * 88 + min(k4, 21) * 4 + 3, 127) - 64, 0)]);
        v = select(x_user_tokens_at, users_rows_user_at, v2 < vec4<i32>(64));
      } else {
        let profile_at = vec4<f32>(profile[r_stage0 * 48 + max(t * 88 + min(k4, 21) * 4 - 128, 0)], profile[r_stage0 * 48 + max(t * 88 + min(k4, 21) * 4 - 127, 0)], profile[r_stage0 * 48 + max(t * 88 + min(k4, 21) * 4 - 126, 0)], profile[r_stage0 * 48 + max(t * 88 + min(k4, 21) * 4 - 125, 0)]);
        v = profile_at;
      }
      let a = select(vec4<f32>(0.0), v, vec4<bool>(k4 < 22));
      a_tile[at_k * 4 + at_row] = a.x;
      a_tile[at_k * 4 + 1 + at_row] = a.y;
      a_tile[at_k * 4 + 2 + at_row] = a.z;
      a_tile[at_k * 4 + 3 + at_row] = a.w;
    }
    workgroupBarrier();
    for (var k = 0; k < k_step; k++) {
      let a0 = a_tile[k + row];
      let d4_column0 = min(column, 3);
      let x_user_tokens_split_linear_w_at = x_user_tokens_split_linear_w[t * 352 + min(block * 64 + k, 87) * 4 + d4_column0];
      let b0 = select(vec4<f32>(0.0), x_user_tokens_split_linear_w_at, vec4<bool>(block * 64 + k < 88));
      acc_0_0 += a0 * b0;
    }
    workgroupBarrier();
  }
  let r_row0 = r + row;
  let d4_column0 = min(column, 3);
  let x_user_tokens_split_linear_b_at = x_user_tokens_split_linear_b[t * 4 + d4_column0];
  let slot_at = slot[r_row0];
  if (column * 4 < 16) {
    x_user_tokens_split_linear[slot_at * 8 + t * 4 + d4_column0] = acc_0_0 + x_user_tokens_split_linear_b_at;
  }
}
