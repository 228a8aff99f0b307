// x_user_tokens_split_linear (user stage)
//   reads through uid: lookup
//   reads through x.user_tokens: concat
//   x.user_tokens.split_linear: einsum
//   x.user_tokens.split_linear: add
// reads  users_rows_user[R, 64], uid_rows[R], x_user_tokens[R, 64], profile[R, 48], x_user_tokens_split_linear_w[2, 88, 16], slot[R], x_user_tokens_split_linear_b[2, 16]
// writes x_user_tokens_split_linear[R, 2, 16]
// cost   5.66 kFLOP per row of R; 11.4 kB and 840 B per row of R
// grid   t 2, d 16 by 32, r R by 8; inside k 88
// plan   one subgroup of 8 lanes, 8 rows × 32 columns
enable subgroups;

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

@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let r_end = call.rows;
  let r_tiles = (r_end + 7) / 8;
  if (group >= 2 * r_tiles) { return; }
  let r0 = group % r_tiles * 8;
  let t = group / r_tiles;
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
  let r_lane0 = min(r0 + thread, r_end - 1);
  let k4_end = call.one * 22;
  if (r0 + 1 < r_end) {
    for (var k4 = 0; k4 < k4_end; k4++) {
      var v: vec4<f32> = vec4<f32>(0.0);
      let v1 = t * 22 + k4;
      if (v1 < 16) {
        let uid_rows_at = uid_rows[r_lane0];
        let place = min(max(uid_rows_at, 0), 999999) * 64 + min(t * 88 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
        let users_rows_user_at = vec4<f32>(users_rows_user[place.x], users_rows_user[place.y], users_rows_user[place.z], users_rows_user[place.w]);
        v = users_rows_user_at;
      } else {
        var v2: vec4<f32> = vec4<f32>(0.0);
        if (v1 < 32) {
          let x_user_tokens_at = vec4<f32>(x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 64, 0), 63)], x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 63, 0), 63)], x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 62, 0), 63)], x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 61, 0), 63)]);
          v2 = x_user_tokens_at;
        } else {
          let profile_at = vec4<f32>(profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 128, 0)], profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 127, 0)], profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 126, 0)], profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 125, 0)]);
          v2 = profile_at;
        }
        v = v2;
      }
      let x_user_tokens_split_linear_w_at = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near];
      let x_user_tokens_split_linear_w_at1 = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near + 4];
      let x_user_tokens_split_linear_w_at2 = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near + 8];
      let x_user_tokens_split_linear_w_at3 = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near + 12];
      let x = subgroupBroadcast(v, 0);
      acc_0 = acc_0 + x.x * x_user_tokens_split_linear_w_at + x.y * x_user_tokens_split_linear_w_at1 + x.z * x_user_tokens_split_linear_w_at2 + x.w * x_user_tokens_split_linear_w_at3;
      let x1 = subgroupBroadcast(v, 1);
      acc_1 = acc_1 + x1.x * x_user_tokens_split_linear_w_at + x1.y * x_user_tokens_split_linear_w_at1 + x1.z * x_user_tokens_split_linear_w_at2 + x1.w * x_user_tokens_split_linear_w_at3;
      let x2 = subgroupBroadcast(v, 2);
      acc_2 = acc_2 + x2.x * x_user_tokens_split_linear_w_at + x2.y * x_user_tokens_split_linear_w_at1 + x2.z * x_user_tokens_split_linear_w_at2 + x2.w * x_user_tokens_split_linear_w_at3;
      let x3 = subgroupBroadcast(v, 3);
      acc_3 = acc_3 + x3.x * x_user_tokens_split_linear_w_at + x3.y * x_user_tokens_split_linear_w_at1 + x3.z * x_user_tokens_split_linear_w_at2 + x3.w * x_user_tokens_split_linear_w_at3;
      let x4 = subgroupBroadcast(v, 4);
      acc_4 = acc_4 + x4.x * x_user_tokens_split_linear_w_at + x4.y * x_user_tokens_split_linear_w_at1 + x4.z * x_user_tokens_split_linear_w_at2 + x4.w * x_user_tokens_split_linear_w_at3;
      let x5 = subgroupBroadcast(v, 5);
      acc_5 = acc_5 + x5.x * x_user_tokens_split_linear_w_at + x5.y * x_user_tokens_split_linear_w_at1 + x5.z * x_user_tokens_split_linear_w_at2 + x5.w * x_user_tokens_split_linear_w_at3;
      let x6 = subgroupBroadcast(v, 6);
      acc_6 = acc_6 + x6.x * x_user_tokens_split_linear_w_at + x6.y * x_user_tokens_split_linear_w_at1 + x6.z * x_user_tokens_split_linear_w_at2 + x6.w * x_user_tokens_split_linear_w_at3;
      let x7 = subgroupBroadcast(v, 7);
      acc_7 = acc_7 + x7.x * x_user_tokens_split_linear_w_at + x7.y * x_user_tokens_split_linear_w_at1 + x7.z * x_user_tokens_split_linear_w_at2 + x7.w * x_user_tokens_split_linear_w_at3;
    }
  } else {
    for (var k4 = 0; k4 < k4_end; k4++) {
      var v: vec4<f32> = vec4<f32>(0.0);
      let v1 = t * 22 + k4;
      if (v1 < 16) {
        let uid_rows_at = uid_rows[r_lane0];
        let place = min(max(uid_rows_at, 0), 999999) * 64 + min(t * 88 + k4 * 4 + vec4<i32>(0, 1, 2, 3), vec4<i32>(63));
        let users_rows_user_at = vec4<f32>(users_rows_user[place.x], users_rows_user[place.y], users_rows_user[place.z], users_rows_user[place.w]);
        v = users_rows_user_at;
      } else {
        var v2: vec4<f32> = vec4<f32>(0.0);
        if (v1 < 32) {
          let x_user_tokens_at = vec4<f32>(x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 64, 0), 63)], x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 63, 0), 63)], x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 62, 0), 63)], x_user_tokens[r_lane0 * 64 + min(max(t * 88 + k4 * 4 - 61, 0), 63)]);
          v2 = x_user_tokens_at;
        } else {
          let profile_at = vec4<f32>(profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 128, 0)], profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 127, 0)], profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 126, 0)], profile[r_lane0 * 48 + max(t * 88 + k4 * 4 - 125, 0)]);
          v2 = profile_at;
        }
        v = v2;
      }
      let x_user_tokens_split_linear_w_at = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near];
      let x_user_tokens_split_linear_w_at1 = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near + 4];
      let x_user_tokens_split_linear_w_at2 = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near + 8];
      let x_user_tokens_split_linear_w_at3 = x_user_tokens_split_linear_w[t * 352 + k4 * 16 + d4_near + 12];
      let x = subgroupBroadcast(v, 0);
      acc_0 = acc_0 + x.x * x_user_tokens_split_linear_w_at + x.y * x_user_tokens_split_linear_w_at1 + x.z * x_user_tokens_split_linear_w_at2 + x.w * x_user_tokens_split_linear_w_at3;
    }
  }
  let r_most = call.one * 8;
  let r_rows = min(r_most, r_end - r0);
  let x_user_tokens_split_linear_b_at = x_user_tokens_split_linear_b[t * 4 + d4_near];
  for (var r_turn = 0; r_turn < r_rows; r_turn += 4) {
    let r_first = r0 + r_turn;
    if (d4 * 4 < 16) {
      if (r_first < r_end) {
        let slot_at = slot[r_first];
        x_user_tokens_split_linear[slot_at * 8 + t * 4 + d4_near] = acc_0 + x_user_tokens_split_linear_b_at;
      }
      if (r_first + 1 < r_end) {
        let r_1 = r_first + 1;
        let slot_at = slot[r_1];
        x_user_tokens_split_linear[slot_at * 8 + t * 4 + d4_near] = acc_1 + x_user_tokens_split_linear_b_at;
      }
      if (r_first + 2 < r_end) {
        let r_2 = r_first + 2;
        let slot_at = slot[r_2];
        x_user_tokens_split_linear[slot_at * 8 + t * 4 + d4_near] = acc_2 + x_user_tokens_split_linear_b_at;
      }
      if (r_first + 3 < r_end) {
        let r_3 = r_first + 3;
        let slot_at = slot[r_3];
        x_user_tokens_split_linear[slot_at * 8 + t * 4 + d4_near] = acc_3 + x_user_tokens_split_linear_b_at;
      }
    }
    acc_0 = acc_4;
    acc_1 = acc_5;
    acc_2 = acc_6;
    acc_3 = acc_7;
  }
}
