// pooled (item stage)
//   pooled: reduce
// reads  layers_0_block_norm2[N, 4, 16]
// writes pooled[N, 16]
// cost   64 FLOP per row of N; 0 B and 320 B per row of N
// grid   e N × 16 by 256; inside k 4
// plan   a thread a point, four points where they lie together, 64 threads

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_norm2: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> pooled: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let e_end = call.rows * 16;
  let e_tiles = (e_end + 255) / 256;
  if (group >= e_tiles) { return; }
  let e0 = group * 256;
  let e4 = e0 / 4 + thread;
  if (e4 < (e_end + 3) / 4) {
    let layers_0_block_norm2_at = layers_0_block_norm2[e4 / 4 * 16 + 0 * 4 + e4 % 4];
    let layers_0_block_norm2_at1 = layers_0_block_norm2[e4 / 4 * 16 + 1 * 4 + e4 % 4];
    let layers_0_block_norm2_at2 = layers_0_block_norm2[e4 / 4 * 16 + 2 * 4 + e4 % 4];
    let layers_0_block_norm2_at3 = layers_0_block_norm2[e4 / 4 * 16 + 3 * 4 + e4 % 4];
    let acc = layers_0_block_norm2_at + layers_0_block_norm2_at1 + layers_0_block_norm2_at2 + layers_0_block_norm2_at3;
    pooled[e4] = acc / 4.0;
  }
}
