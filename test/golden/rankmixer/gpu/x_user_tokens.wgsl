// x_user_tokens (user stage)
//   reads through watched: lookup
//   reads through watched: lt
//   reads through watched: where
//   reads through x.user_tokens: to_num
//   reads through x.user_tokens: max
//   x.user_tokens: reduce
//   x.user_tokens: div
// reads  watched_length[R], videos_rows_user[R, 64], watched_rows[R, 50]
// writes x_user_tokens[R, 64]
// cost   3.51 kFLOP per row of R; 0 B and 724 B per row of R
// grid   e R × 64 by 64; inside k 50
// plan   a thread a point, 64 threads

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> watched_length: array<i32>;
@group(0) @binding(2) var<storage, read> videos_rows_user: array<f32>;
@group(0) @binding(3) var<storage, read> watched_rows: array<i32>;
@group(0) @binding(4) var<storage, read_write> x_user_tokens: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let e_end = call.rows * 64;
  let e_tiles = (e_end + 63) / 64;
  if (group >= e_tiles) { return; }
  let e0 = group * 64;
  let e = e0 + thread;
  let k_end = call.one * 50;
  if (e < e_end) {
    var acc: f32;
    let watched_length_at = watched_length[e / 64];
    for (var k = 0; k < k_end; k++) {
      var v: f32 = 0.0;
      if (k < watched_length_at) {
        let watched_rows_at = watched_rows[e / 64 * 52 + k];
        let videos_rows_user_at = videos_rows_user[min(max(watched_rows_at, 0), 4999999) * 64 + e % 64];
        v = videos_rows_user_at;
      } else {
        v = 0.0;
      }
      acc += v;
    }
    x_user_tokens[e] = acc / max(f32(watched_length_at), 1.0);
  }
}
