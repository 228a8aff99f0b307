// layers_0_block_norm1 (item stage)
//   reads through x.user_tokens.split_linear: by_request
//   reads through x: concat
//   reads through layers.0.block.s: add
//   layers.0.block.norm1: layer_norm
//   layers.0.block.norm1: mul
//   layers.0.block.norm1: add
// reads  x_user_tokens_split_linear[R, 2, 16], request[N], x_item_tokens_split_linear[N, 2, 16], layers_0_block_norm1_gain[16], layers_0_block_norm1_bias[16]
// writes layers_0_block_norm1[N, 4, 16]
// cost   512 FLOP per row of N; 128 B and 516 B per row of N
// grid   n N, t 4; inside d 16
// plan   8 lanes a row, 1 row, combined through the subgroup
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> x_user_tokens_split_linear: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> request: array<i32>;
@group(0) @binding(3) var<storage, read_write> x_item_tokens_split_linear: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> layers_0_block_norm1_gain: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> layers_0_block_norm1_bias: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> layers_0_block_norm1: array<vec4<f32>>;

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
  if (group >= n_end * 4) { return; }
  let t = group % 4;
  let n = group / 4;
  let d4 = min(thread, 3);
  var v: vec4<f32>;
  if (d4 < 2) {
    let request_at = request[n];
    let x_user_tokens_split_linear_at = x_user_tokens_split_linear[request_at * 8 + min(d4, 1) * 4 + t];
    v = x_user_tokens_split_linear_at;
  } else {
    let x_item_tokens_split_linear_at = x_item_tokens_split_linear[n * 8 + max(d4 - 2, 0) * 4 + t];
    v = x_item_tokens_split_linear_at;
  }
  var v1: vec4<f32>;
  if (t < 2) {
    let request_at = request[n];
    let x_user_tokens_split_linear_at = x_user_tokens_split_linear[request_at * 8 + min(t, 1) * 4 + d4];
    v1 = x_user_tokens_split_linear_at;
  } else {
    let x_item_tokens_split_linear_at = x_item_tokens_split_linear[n * 8 + max(t - 2, 0) * 4 + d4];
    v1 = x_item_tokens_split_linear_at;
  }
  let x = v + v1;
  let mean = subgroupAdd(sum4(select(vec4<f32>(0.0), x, vec4<bool>(thread < 4)))) / 16.0;
  let away = x - vec4<f32>(mean);
  let m2 = subgroupAdd(sum4(select(vec4<f32>(0.0), away * away, vec4<bool>(thread < 4))));
  if (thread < 4) {
    let layers_0_block_norm1_gain_at = layers_0_block_norm1_gain[d4];
    let layers_0_block_norm1_bias_at = layers_0_block_norm1_bias[d4];
    layers_0_block_norm1[n * 16 + t * 4 + d4] = (v + v1 - mean) * inverseSqrt(m2 / 16.0 + 0.00001) * layers_0_block_norm1_gain_at + layers_0_block_norm1_bias_at;
  }
}
