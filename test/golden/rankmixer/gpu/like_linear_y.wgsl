// like_linear_y (item stage)
//   like.linear.y: einsum
//   like.linear.y: add
//   like: sigmoid
// reads  pooled[N, 16], like_linear_w[16, 1], like_linear_b[1]
// writes like_linear_y[N, 1], like[N, 1]
// cost   46 FLOP per row of N; 272 B and 96 B per row of N
// grid   n N, d 1; inside k 16
// plan   32 lanes a row, 1 row, combined through workgroup memory

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> pooled: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> like_linear_w: array<f32>;
@group(0) @binding(3) var<storage, read> like_linear_b: array<f32>;
@group(0) @binding(4) var<storage, read_write> like_linear_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> like: array<f32>;
var<workgroup> partial: array<f32, 32>;

fn sigmoid_f32(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, f32(1.0), x >= f32(0.0)) / (1.0 + e);
}

fn sum4(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

@compute @workgroup_size(32)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let n_end = call.rows;
  if (group >= n_end) { return; }
  let n = group;
  let k4 = min(thread, 3);
  let pooled_at = pooled[n * 4 + k4];
  let like_linear_w_at = vec4<f32>(like_linear_w[k4 * 16], like_linear_w[k4 * 16 + 4], like_linear_w[k4 * 16 + 8], like_linear_w[k4 * 16 + 12]);
  partial[thread] = sum4(select(vec4<f32>(0.0), pooled_at * like_linear_w_at, vec4<bool>(thread < 4)));
  workgroupBarrier();
  if (thread < 16) {
    partial[thread] = partial[thread] + partial[thread + 16];
  }
  workgroupBarrier();
  if (thread < 8) {
    partial[thread] = partial[thread] + partial[thread + 8];
  }
  workgroupBarrier();
  if (thread < 4) {
    partial[thread] = partial[thread] + partial[thread + 4];
  }
  workgroupBarrier();
  if (thread < 2) {
    partial[thread] = partial[thread] + partial[thread + 2];
  }
  workgroupBarrier();
  if (thread < 1) {
    partial[thread] = partial[thread] + partial[thread + 1];
  }
  workgroupBarrier();
  let total = partial[0];
  workgroupBarrier();
  let like_linear_b_at = like_linear_b[0];
  let at_1 = total + like_linear_b_at;
  if (thread == 0) {
    like_linear_y[n * 4] = at_1;
  }
  if (thread == 0) {
    like[n * 4] = sigmoid_f32(at_1);
  }
}
