/** @file Pages of the codes RMX06xx: weights files. */
import type { CodePage } from "./page.ts";

export const weightPages: Record<string, CodePage> = {
  RMX0601: {
    title: "a weights file cannot be read",
    meaning: `
A weights file is in the safetensors format: eight bytes of header length, a JSON header, the tensors' bytes. The whole header is
checked before a value is read: every tensor must lie inside the file, take as many bytes as its type and shape say, and
share no byte with another; the element types are F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, U8 and I8. The note says what is wrong.
A truncated file most often is an upload or a download that was cut off.`,
    failing: `
$ head -c 1000 ranker.safetensors > cut.safetensors
$ rmxc run ranker.rmx --weights cut.safetensors`,
    mended: `
$ rmxc run ranker.rmx --weights ranker.safetensors`,
  },
  RMX0602: {
    title: "a weights file does not fit the model",
    meaning: `
The tensors of a weights file are named by parameter path, and every parameter that serving needs must be there with the shape that
the spec declares. An int8 or fp8 parameter \`PATH\` has its scales in \`PATH.scale\`, with 1 or the number of groups where values share
one, and zero points in \`PATH.zero\`. Parameters under \`if training\` may be there; anything else is refused, because a name that the model does
not know is most often one that it misses elsewhere. All differences are listed: missing, wrong shape or type, unknown.
\`--set\` changes shapes: weights of a model with D = 768 do not fit \`--set D=128\`.`,
    failing: `
$ rmxc params ranker.rmx
finish.linear.w  [768, 1]
(the file has \`finish.weight\`, [1, 768])`,
    mended: `
from safetensors.numpy import load_file, save_file
tensors = load_file("theirs.safetensors")
tensors["finish.linear.w"] = tensors.pop("finish.weight").T.copy()
save_file(tensors, "ranker.safetensors")`,
  },
  RMX0603: {
    title: "a weight is not finite",
    meaning: `
NaN or an infinity among the weights makes scores NaN or constant, far from where it stands. Parameters are checked when a model is
loaded and a table's rows when they are looked up. An F64 value beyond the range of F32 counts as infinite.`,
    failing: `
tensors["finish.linear.b"] = np.array([np.nan], np.float32)`,
    mended: `
tensors["finish.linear.b"] = np.array([0.0], np.float32)`,
  },
  RMX0604: {
    title: "nothing to calibrate",
    meaning:
      "`rmxc quantize --calibrate` sets the scales of activations that products take in int8 or fp8. Which those are, `inputs` says in a line of `precision`.",
    failing: `
$ rmxc quantize ranker.rmx --precision '"**.ffn.w*" = fp8_e4m3' --calibrate inputs.safetensors`,
    mended: `
$ rmxc quantize ranker.rmx --precision '"**.ffn.w*" = fp8_e4m3 inputs fp8_e4m3' --calibrate inputs.safetensors`,
  },
};
