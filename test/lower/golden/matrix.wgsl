// gated (item stage)
//   a test
// reads  x[N, 2, 19], w[2, 19, 38], u[2, 19, 38]
// writes out[N, 2, 38]
// cost   0 FLOP per row of N; 0 B and 0 B per row of N
// grid   t 2, k 38 by 32, n N by 16; inside d 19
// plan   1 × 2 subgroups of 32 lanes, 2 × 2 matrices of 8 × 8 each, 8 of k at once
enable chromium_experimental_subgroup_matrix;
enable subgroups;

struct Call { rows: i32, first: i32, limit: i32, one: i32 }

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> u: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
var<workgroup> a_tile: array<f32, 256>;
var<workgroup> b_tile: array<f32, 512>;
var<workgroup> b_tile1: array<f32, 512>;
var<workgroup> gate_tile: array<f32, 512>;
var<workgroup> up_tile: array<f32, 512>;
var<workgroup> sum_parts: array<f32, 64>;
var<workgroup> sum_tile: array<f32, 16>;

fn silu_f32x4(x: vec4<f32>) -> vec4<f32> {
  let e = exp(-abs(x));
  return x * select(e, vec4<f32>(1.0), x >= vec4<f32>(0.0)) / (1.0 + e);
}

fn sum4(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) thread_index: u32,
  @builtin(subgroup_id) subgroup_index: u32,
  @builtin(workgroup_id) group_id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = i32(thread_index);
  let subgroup = i32(subgroup_index);
  let group = i32(group_id.y * groups.x + group_id.x);
  let n_end = call.rows;
  let n_tiles = (n_end + 15) / 16;
  if (group >= 4 * n_tiles) { return; }
  let n0 = group % n_tiles * 16;
  let k0 = group / n_tiles % 2 * 32;
  let t = group / n_tiles / 2;
  let row = thread / 8;
  let column = thread % 8;
  var sum_0: vec4<f32>;
  let subgroup_row = subgroup / 2 * 16;
  let subgroup_column = subgroup % 2 * 16;
  var gate_0_0 = subgroup_matrix_result<f32, 8, 8>();
  var gate_0_1 = subgroup_matrix_result<f32, 8, 8>();
  var gate_1_0 = subgroup_matrix_result<f32, 8, 8>();
  var gate_1_1 = subgroup_matrix_result<f32, 8, 8>();
  var up_0_0 = subgroup_matrix_result<f32, 8, 8>();
  var up_0_1 = subgroup_matrix_result<f32, 8, 8>();
  var up_1_0 = subgroup_matrix_result<f32, 8, 8>();
  var up_1_1 = subgroup_matrix_result<f32, 8, 8>();
  let d_blocks = call.one * 2;
  for (var block = 0; block < d_blocks; block++) {
    let at_row = thread / 4;
    let at_d = thread % 4;
    let d4 = block * 4 + at_d;
    let n_stage0 = min(n0 + at_row, n_end - 1);
    let x_at = vec4<f32>(x[n_stage0 * 38 + t * 19 + min(d4, 4) * 4], x[n_stage0 * 38 + t * 19 + min(d4, 4) * 4 + 1], x[n_stage0 * 38 + t * 19 + min(d4, 4) * 4 + 2], x[n_stage0 * 38 + t * 19 + min(d4, 4) * 4 + 3]);
    let a = select(vec4<f32>(0.0), x_at, vec4<i32>(d4 * 4, d4 * 4 + 1, d4 * 4 + 2, d4 * 4 + 3) < vec4<i32>(19));
    sum_0 += select(vec4<f32>(0.0), x_at, vec4<i32>(d4 * 4, d4 * 4 + 1, d4 * 4 + 2, d4 * 4 + 3) < vec4<i32>(19));
    a_tile[at_d * 4 * 16 + at_row] = a.x;
    a_tile[(at_d * 4 + 1) * 16 + at_row] = a.y;
    a_tile[(at_d * 4 + 2) * 16 + at_row] = a.z;
    a_tile[(at_d * 4 + 3) * 16 + at_row] = a.w;
    let at_column = thread % 8;
    let d = block * 16 + thread / 8;
    let k4_stage0 = min(k0 / 4 + at_column, 9);
    let w_at = vec4<f32>(w[t * 722 + min(d, 18) * 38 + k4_stage0 * 4], w[t * 722 + min(d, 18) * 38 + k4_stage0 * 4 + 1], w[t * 722 + min(d, 18) * 38 + k4_stage0 * 4 + 2], w[t * 722 + min(d, 18) * 38 + k4_stage0 * 4 + 3]);
    let b = select(vec4<f32>(0.0), w_at, vec4<bool>(d < 19));
    b_tile[thread * 4] = b.x;
    b_tile[thread * 4 + 1] = b.y;
    b_tile[thread * 4 + 2] = b.z;
    b_tile[thread * 4 + 3] = b.w;
    let at_column1 = (thread + 64) % 8;
    let d1 = block * 16 + (thread + 64) / 8;
    let k4_stage1 = min(k0 / 4 + at_column1, 9);
    let w_at1 = vec4<f32>(w[t * 722 + min(d1, 18) * 38 + k4_stage1 * 4], w[t * 722 + min(d1, 18) * 38 + k4_stage1 * 4 + 1], w[t * 722 + min(d1, 18) * 38 + k4_stage1 * 4 + 2], w[t * 722 + min(d1, 18) * 38 + k4_stage1 * 4 + 3]);
    let b1 = select(vec4<f32>(0.0), w_at1, vec4<bool>(d1 < 19));
    b_tile[(thread + 64) * 4] = b1.x;
    b_tile[(thread + 64) * 4 + 1] = b1.y;
    b_tile[(thread + 64) * 4 + 2] = b1.z;
    b_tile[(thread + 64) * 4 + 3] = b1.w;
    let at_column2 = thread % 8;
    let d2 = block * 16 + thread / 8;
    let u_at = vec4<f32>(u[t * 722 + min(d2, 18) * 38 + k4_stage0 * 4], u[t * 722 + min(d2, 18) * 38 + k4_stage0 * 4 + 1], u[t * 722 + min(d2, 18) * 38 + k4_stage0 * 4 + 2], u[t * 722 + min(d2, 18) * 38 + k4_stage0 * 4 + 3]);
    let b2 = select(vec4<f32>(0.0), u_at, vec4<bool>(d2 < 19));
    b_tile1[thread * 4] = b2.x;
    b_tile1[thread * 4 + 1] = b2.y;
    b_tile1[thread * 4 + 2] = b2.z;
    b_tile1[thread * 4 + 3] = b2.w;
    let at_column3 = (thread + 64) % 8;
    let d3 = block * 16 + (thread + 64) / 8;
    let u_at1 = vec4<f32>(u[t * 722 + min(d3, 18) * 38 + k4_stage1 * 4], u[t * 722 + min(d3, 18) * 38 + k4_stage1 * 4 + 1], u[t * 722 + min(d3, 18) * 38 + k4_stage1 * 4 + 2], u[t * 722 + min(d3, 18) * 38 + k4_stage1 * 4 + 3]);
    let b3 = select(vec4<f32>(0.0), u_at1, vec4<bool>(d3 < 19));
    b_tile1[(thread + 64) * 4] = b3.x;
    b_tile1[(thread + 64) * 4 + 1] = b3.y;
    b_tile1[(thread + 64) * 4 + 2] = b3.z;
    b_tile1[(thread + 64) * 4 + 3] = b3.w;
    workgroupBarrier();
    let left_0 = subgroupMatrixLoad<subgroup_matrix_left<f32, 8, 8>, col_major>(&a_tile, u32(subgroup_row), 16);
    let left_1 = subgroupMatrixLoad<subgroup_matrix_left<f32, 8, 8>, col_major>(&a_tile, u32(subgroup_row + 8), 16);
    let right_0 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile, u32(subgroup_column), 32);
    let right_1 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile, u32(subgroup_column + 8), 32);
    gate_0_0 = subgroupMatrixMultiplyAccumulate(left_0, right_0, gate_0_0);
    gate_0_1 = subgroupMatrixMultiplyAccumulate(left_0, right_1, gate_0_1);
    gate_1_0 = subgroupMatrixMultiplyAccumulate(left_1, right_0, gate_1_0);
    gate_1_1 = subgroupMatrixMultiplyAccumulate(left_1, right_1, gate_1_1);
    let right_0_1 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile1, u32(subgroup_column), 32);
    let right_1_1 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile1, u32(subgroup_column + 8), 32);
    up_0_0 = subgroupMatrixMultiplyAccumulate(left_0, right_0_1, up_0_0);
    up_0_1 = subgroupMatrixMultiplyAccumulate(left_0, right_1_1, up_0_1);
    up_1_0 = subgroupMatrixMultiplyAccumulate(left_1, right_0_1, up_1_0);
    up_1_1 = subgroupMatrixMultiplyAccumulate(left_1, right_1_1, up_1_1);
    let left_0_1 = subgroupMatrixLoad<subgroup_matrix_left<f32, 8, 8>, col_major>(&a_tile, u32(subgroup_row + 128), 16);
    let left_1_1 = subgroupMatrixLoad<subgroup_matrix_left<f32, 8, 8>, col_major>(&a_tile, u32(subgroup_row + 8 + 128), 16);
    let right_0_2 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile, u32(subgroup_column + 256), 32);
    let right_1_2 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile, u32(subgroup_column + 8 + 256), 32);
    gate_0_0 = subgroupMatrixMultiplyAccumulate(left_0_1, right_0_2, gate_0_0);
    gate_0_1 = subgroupMatrixMultiplyAccumulate(left_0_1, right_1_2, gate_0_1);
    gate_1_0 = subgroupMatrixMultiplyAccumulate(left_1_1, right_0_2, gate_1_0);
    gate_1_1 = subgroupMatrixMultiplyAccumulate(left_1_1, right_1_2, gate_1_1);
    let right_0_3 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile1, u32(subgroup_column + 256), 32);
    let right_1_3 = subgroupMatrixLoad<subgroup_matrix_right<f32, 8, 8>, row_major>(&b_tile1, u32(subgroup_column + 8 + 256), 32);
    up_0_0 = subgroupMatrixMultiplyAccumulate(left_0_1, right_0_3, up_0_0);
    up_0_1 = subgroupMatrixMultiplyAccumulate(left_0_1, right_1_3, up_0_1);
    up_1_0 = subgroupMatrixMultiplyAccumulate(left_1_1, right_0_3, up_1_0);
    up_1_1 = subgroupMatrixMultiplyAccumulate(left_1_1, right_1_3, up_1_1);
    workgroupBarrier();
  }
  subgroupMatrixStore<row_major>(&gate_tile, u32(subgroup_row * 32 + subgroup_column), gate_0_0, 32);
  subgroupMatrixStore<row_major>(&gate_tile, u32(subgroup_row * 32 + (subgroup_column + 8)), gate_0_1, 32);
  subgroupMatrixStore<row_major>(&gate_tile, u32((subgroup_row + 8) * 32 + subgroup_column), gate_1_0, 32);
  subgroupMatrixStore<row_major>(&gate_tile, u32((subgroup_row + 8) * 32 + (subgroup_column + 8)), gate_1_1, 32);
  workgroupBarrier();
  let at = row * 2 * 32 + column * 4;
  let gate = vec4<f32>(gate_tile[at], gate_tile[at + 1], gate_tile[at + 2], gate_tile[at + 3]);
  let at1 = (row * 2 + 1) * 32 + column * 4;
  let gate1 = vec4<f32>(gate_tile[at1], gate_tile[at1 + 1], gate_tile[at1 + 2], gate_tile[at1 + 3]);
  subgroupMatrixStore<row_major>(&up_tile, u32(subgroup_row * 32 + subgroup_column), up_0_0, 32);
  subgroupMatrixStore<row_major>(&up_tile, u32(subgroup_row * 32 + (subgroup_column + 8)), up_0_1, 32);
  subgroupMatrixStore<row_major>(&up_tile, u32((subgroup_row + 8) * 32 + subgroup_column), up_1_0, 32);
  subgroupMatrixStore<row_major>(&up_tile, u32((subgroup_row + 8) * 32 + (subgroup_column + 8)), up_1_1, 32);
  workgroupBarrier();
  let at2 = row * 2 * 32 + column * 4;
  let up = vec4<f32>(up_tile[at2], up_tile[at2 + 1], up_tile[at2 + 2], up_tile[at2 + 3]);
  let at3 = (row * 2 + 1) * 32 + column * 4;
  let up1 = vec4<f32>(up_tile[at3], up_tile[at3 + 1], up_tile[at3 + 2], up_tile[at3 + 3]);
  sum_parts[thread] = sum4(sum_0);
  workgroupBarrier();
  let n_own = call.one * 16;
  for (var own = thread; own < n_own; own += 64) {
    sum_tile[own] = sum_parts[own * 4] + sum_parts[own * 4 + 1] + sum_parts[own * 4 + 2] + sum_parts[own * 4 + 3];
  }
  workgroupBarrier();
  let n_row0 = min(n0 + row * 2, n_end - 1);
  let k4_column0 = min(k0 / 4 + column, 9);
  if (n0 + row * 2 < n_end && k0 + column * 4 < 38) {
    let k_left = 38 - (k0 + column * 4);
    let value = silu_f32x4(gate) * up + sum_tile[row * 2] * 0.05263158;
    if (k_left > 0) {
      out[n_row0 * 76 + t * 38 + k4_column0 * 4] = value.x;
    }
    if (k_left > 1) {
      out[n_row0 * 76 + t * 38 + k4_column0 * 4 + 1] = value.y;
    }
    if (k_left > 2) {
      out[n_row0 * 76 + t * 38 + k4_column0 * 4 + 2] = value.z;
    }
    if (k_left > 3) {
      out[n_row0 * 76 + t * 38 + k4_column0 * 4 + 3] = value.w;
    }
  }
  let n_row1 = min(n0 + (row * 2 + 1), n_end - 1);
  if (n0 + (row * 2 + 1) < n_end && k0 + column * 4 < 38) {
    let k_left = 38 - (k0 + column * 4);
    let value = silu_f32x4(gate1) * up1 + sum_tile[row * 2 + 1] * 0.05263158;
    if (k_left > 0) {
      out[n_row1 * 76 + t * 38 + k4_column0 * 4] = value.x;
    }
    if (k_left > 1) {
      out[n_row1 * 76 + t * 38 + k4_column0 * 4 + 1] = value.y;
    }
    if (k_left > 2) {
      out[n_row1 * 76 + t * 38 + k4_column0 * 4 + 2] = value.z;
    }
    if (k_left > 3) {
      out[n_row1 * 76 + t * 38 + k4_column0 * 4 + 3] = value.w;
    }
  }
}
