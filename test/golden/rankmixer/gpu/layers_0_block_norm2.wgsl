// layers_0_block_norm2 (item stage)
//   layers.0.block.norm2: layer_norm
//   layers.0.block.norm2: mul
//   layers.0.block.norm2: add
// reads  layers_0_block[N, 4, 16], layers_0_block_norm2_gain[16], layers_0_block_norm2_bias[16]
// writes layers_0_block_norm2[N, 4, 16]
// cost   448 FLOP per row of N; 128 B and 512 B per row of N
// grid   n N, t 4; inside d 16
// plan   32 lanes a row, 1 row, combined through workgroup memory

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> layers_0_block_norm2_gain: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> layers_0_block_norm2_bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> layers_0_block_norm2: array<vec4<f32>>;
var<workgroup> partial: array<f32, 32>;

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
  if (group >= n_end * 4) { return; }
  let t = group % 4;
  let n = group / 4;
  let d4 = min(thread, 3);
  let layers_0_block_at = layers_0_block[n * 16 + t * 4 + d4];
  partial[thread] = sum4(select(vec4<f32>(0.0), layers_0_block_at, vec4<bool>(thread < 4)));
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
  let mean = total / 16.0;
  let away = layers_0_block_at - vec4<f32>(mean);
  partial[thread] = sum4(select(vec4<f32>(0.0), away * away, vec4<bool>(thread < 4)));
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
  let total1 = partial[0];
  workgroupBarrier();
  if (thread < 4) {
    let layers_0_block_norm2_gain_at = layers_0_block_norm2_gain[d4];
    let layers_0_block_norm2_bias_at = layers_0_block_norm2_bias[d4];
    layers_0_block_norm2[n * 16 + t * 4 + d4] = (layers_0_block_at - mean) * inverseSqrt(total1 / 16.0 + 0.00001) * layers_0_block_norm2_gain_at + layers_0_block_norm2_bias_at;
  }
}
