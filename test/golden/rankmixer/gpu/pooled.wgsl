// pooled (item stage)
//   pooled: reduce
// reads  layers_0_block_norm2[N, 4, 16]
// writes pooled[N, 16]
// cost   64 FLOP per row of N; 0 B and 320 B per row of N
// grid   e N × 16 by 64; inside k 4
// plan   a thread a point, 64 threads

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read_write> layers_0_block_norm2: array<f32>;
@group(0) @binding(2) var<storage, read_write> pooled: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let e_end = call.rows * 16;
  let e_tiles = (e_end + 63) / 64;
  if (group >= e_tiles) { return; }
  let e0 = group * 64;
  let e = e0 + thread;
  if (e < e_end) {
    let layers_0_block_norm2_at = layers_0_block_norm2[e / 16 * 64 + 0 * 16 + e % 16];
    let layers_0_block_norm2_at1 = layers_0_block_norm2[e / 16 * 64 + 1 * 16 + e % 16];
    let layers_0_block_norm2_at2 = layers_0_block_norm2[e / 16 * 64 + 2 * 16 + e % 16];
    let layers_0_block_norm2_at3 = layers_0_block_norm2[e / 16 * 64 + 3 * 16 + e % 16];
    let acc = layers_0_block_norm2_at + layers_0_block_norm2_at1 + layers_0_block_norm2_at2 + layers_0_block_norm2_at3;
    pooled[e] = acc / 4.0;
  }
}
