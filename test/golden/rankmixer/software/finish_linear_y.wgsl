// finish_linear_y (item stage)
//   finish.linear.y: einsum
//   finish.linear.y: add
//   finish: sigmoid
// reads  pooled[N, 16], finish_linear_w[16, 1], finish_linear_b[1]
// writes finish_linear_y[N, 1], finish[N, 1]
// cost   46 FLOP per row of N; 272 B and 96 B per row of N
// grid   n N, d 1; inside k 16
// plan   8 lanes a row, 1 row, combined through the subgroup
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> pooled: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> finish_linear_w: array<f32>;
@group(0) @binding(3) var<storage, read> finish_linear_b: array<f32>;
@group(0) @binding(4) var<storage, read_write> finish_linear_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> finish: array<f32>;

fn sigmoid_f32(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, f32(1.0), x >= f32(0.0)) / (1.0 + e);
}

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
  if (group >= n_end) { return; }
  let n = group;
  let k4 = min(thread, 3);
  let pooled_at = pooled[n * 4 + k4];
  let finish_linear_w_at = vec4<f32>(finish_linear_w[k4 * 16], finish_linear_w[k4 * 16 + 4], finish_linear_w[k4 * 16 + 8], finish_linear_w[k4 * 16 + 12]);
  let acc = subgroupAdd(sum4(select(vec4<f32>(0.0), pooled_at * finish_linear_w_at, vec4<bool>(thread < 4))));
  let finish_linear_b_at = finish_linear_b[0];
  let at_1 = acc + finish_linear_b_at;
  if (thread == 0) {
    finish_linear_y[n * 4] = at_1;
  }
  if (thread == 0) {
    finish[n * 4] = sigmoid_f32(at_1);
  }
}
