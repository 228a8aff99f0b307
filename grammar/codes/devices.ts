/** @file Pages of the codes RMX08xx: devices, the runtime and verification. */
import type { CodePage } from "./page.ts";

export const devicePages: Record<string, CodePage> = {
  RMX0801: {
    title: "there is no WebGPU device",
    meaning: `
Outside of a browser WebGPU comes from the optional npm package \`webgpu\` (Dawn) and needs a driver: Vulkan on Linux, Metal on macOS,
Direct3D 12 on Windows. On a machine without a GPU Mesa's software driver serves, from Mesa 24 on; the package's
\`scripts/driver.sh\` installs it on Debian and Ubuntu. \`--device auto\` falls back to \`reference\`, which is slow.`,
    failing: `
$ rmxc run examples/quickstart.rmx --device webgpu`,
    mended: `
$ bash scripts/driver.sh
$ rmxc run examples/quickstart.rmx --device webgpu`,
  },
  RMX0802: {
    title: "the device has less than the program needs",
    meaning: `
A program is compiled for a profile: limits, subgroup sizes and features. A device that has less than that of any of them cannot run it.
The notes name each. Compiling for the device's own profile always fits; \`rmxc run\` does that.`,
    failing: `
$ rmxc compile ranker.rmx --profile software -o out`,
    mended: `
$ rmxc doctor --json > device.json
$ rmxc compile ranker.rmx --profile gpu -o out`,
  },
  RMX0803: {
    title: "the device does not accept a kernel",
    meaning: `
The text of a kernel was refused by the device's shader compiler. That is a fault of rmxc, or of a driver; the notes show the
message, the line, and the statement of the tile program that it was made for; the frame shows the place in the spec. Please report it with the spec and the output of \`rmxc doctor\`.`,
    failing: `
$ rmxc run ranker.rmx`,
    mended: `
$ rmxc run ranker.rmx --device reference`,
  },
  RMX0804: {
    title: "the device was lost",
    meaning: `
The driver gave the device up: it was reset, a kernel ran for too long, or the machine slept. Everything on it is gone, user
handles included; calls that were under way and all later ones fail with this. \`engine.restore()\` loads the model again, onto
a device that it opens or onto one that it is given. An engine that was destroyed reports the same.`,
    failing: `
await engine.score(user, items); // rejects: the device was lost`,
    mended: `
await engine.restore();
const user = await engine.user(features);
await engine.score(user, items);`,
  },
  RMX0805: {
    title: "something does not fit the device's memory",
    meaning: `
A parameter or a buffer is larger than the device's largest buffer, or the device has no memory left. Tables are not affected
where their rows are gathered on the host; a smaller model or a larger device helps.`,
    failing: `
$ rmxc run ranker.rmx --set D=65536`,
    mended: `
$ rmxc run ranker.rmx --set D=768`,
  },
  RMX0806: {
    title: "verification differed",
    meaning: `
\`--verify\` compares every kernel's output and every task's logits with the f64 reference, which reads the same weights. The measure
is the relative L2 error; in f32 it must not exceed 1e-5. The first kernel of the list that differs is where to look: what
follows inherits its error. A discontinuous choice (\`top_k\`, a comparison, \`floor\`) may be another than the reference's only where
the reference's own scores are within the same tolerance of a tie, and the reference goes on from it. Exit status 3.`,
    failing: `
$ rmxc run ranker.rmx --verify`,
    mended: `
$ rmxc run ranker.rmx --device reference`,
  },
  RMX0807: {
    title: "the device reported an error",
    meaning: `
The device refused a command that this program gave it, which is a fault of rmxc or of the driver. The notes hold the device's
message. Please report it with the spec and the output of \`rmxc doctor\`.`,
    failing: `
$ rmxc run ranker.rmx`,
    mended: `
$ rmxc run ranker.rmx --device reference`,
  },
  RMX0808: {
    title: "too many requests are kept on the device",
    meaning: `
\`engine.user\` keeps a request's results on the device until its handle is freed. They lie side by side in one buffer a value, which
cannot outgrow the device's largest binding; the note says how many requests fit.`,
    failing: `
for (const request of stream) await engine.user(request);`,
    mended: `
for (const request of stream) {
  const user = await engine.user(request);
  await engine.score(user, candidates(request));
  user.free();
}`,
  },
  RMX0809: {
    title: "a profile cannot be read",
    meaning: `
\`--profile\` takes \`software\`, \`gpu\` or a JSON file with a name, all limits (positive integers), features (true or
false) and, where the device has subgroups, their smallest and largest size. The notes list what is missing.`,
    failing: `
{ "name": "mine", "limits": { "storageBinding": 134217728 } }`,
    mended: `
{
  "name": "mine",
  "limits": {
    "storageBinding": 134217728, "bufferSize": 268435456, "storageBuffers": 10, "offsetAlignment": 256,
    "workgroupMemory": 16384, "workgroupSize": 256, "workgroups": 65535
  },
  "features": { "f16": false, "software": false, "timestamps": false }
}`,
  },
  RMX0810: {
    title: "a parameter is larger than one binding of the device",
    meaning: `
A kernel reads a parameter through a binding, whose size the device limits (128 MiB is common). A larger parameter is bound in
slices along an axis that the kernel deals to its workgroups, such as the tokens of per-token weights; this one has no
such axis. Exit status 1.`,
    failing: `
model m() {
  item { x: f32[40000] }
  task y = linear(x, 1024)
}`,
    mended: `
model m() {
  item { x: f32[40000] }
  task y = mean(token_linear(rearrange(x, "(t d) -> t d", t = 8), 1024), "t k -> k")
}`,
  },
  RMX0811: {
    title: "a device's ceilings cannot be read",
    meaning: `
\`rmxc cost --device\` takes the name of a device that it knows or a JSON file with a name, FLOP/s in f32 and the memory's bandwidth
in bytes a second. The notes list what is missing.`,
    failing: `
{ "name": "mine", "flops": 67 }`,
    mended: `
{ "name": "mine", "flops": 66.9e12, "bandwidth": 3.35e12 }`,
  },
  RMX0812: {
    title: "a serialised user handle does not fit the engine",
    meaning: `
\`handle.serialize()\` writes what a request's user stage computed, and with it the model's name, a hash of the plan that computed it and
the \`version\` that the engine was loaded with. Another engine takes it only if all of that is its own: results of other
weights, or of a model that is cut otherwise, would give scores that are wrong and look right. The notes list what differs. Compute the
results again; a cache that several hosts share should have the version in its keys.`,
    failing: `
const bytes = await user.serialize(); // engine: version "v41"
await other.deserialize(bytes);       // other: version "v42"`,
    mended: `
const user = await other.user(features);`,
  },
  RMX0824: {
    title: "there is no CUDA device",
    meaning: `
\`--device cuda\` runs on an NVIDIA GPU through its driver, libcuda, which the optional npm package \`koffi\` calls. It needs compute
capability 8.0 (Ampere) or later and a driver of CUDA 11.4 or later. The message names what is missing: the package, the
library (\`RMXC_LIBCUDA\` is its path where the loader does not find it), a device that is visible, or one that is
new enough. \`--device auto\` goes on to WebGPU.`,
    failing: `
$ docker run my-image rmxc run ranker.rmx --device cuda`,
    mended: `
$ docker run --gpus all my-image rmxc run ranker.rmx --device cuda`,
  },
  RMX0825: {
    title: "there is no CUDA compiler",
    meaning: `
Kernels are compiled where they run: by NVRTC, a library that is looked for where \`RMXC_NVRTC\` says, in \`CUDA_PATH\` and
/usr/local/cuda*, in Python's packages and where the loader looks, or else by \`nvcc\`. Neither was found, or none that the driver
serves. The notes say where each failed. What was compiled is kept under the user's cache folder.`,
    failing: `
$ rmxc run ranker.rmx --device cuda`,
    mended: `
$ pip install nvidia-cuda-nvrtc-cu12
$ rmxc run ranker.rmx --device cuda`,
  },
  RMX0826: {
    title: "the device does not take a compiled kernel",
    meaning: `
A kernel was compiled and the driver refused the machine code, or the device cannot give a block of it what it needs. A compiler
newer than the driver is the usual cause: update the driver, or have \`RMXC_NVRTC\` name a library of the driver's version.`,
    failing: `
$ RMXC_NVRTC=/opt/cuda-13/lib64/libnvrtc.so.13 rmxc run ranker.rmx --device cuda`,
    mended: `
$ RMXC_NVRTC=/opt/cuda-12/lib64/libnvrtc.so.12 rmxc run ranker.rmx --device cuda`,
  },
  RMX0820: {
    title: "no variant of a program runs on the device",
    meaning: `
A compiled program may hold kernels for several profiles. Loading picks one that the device satisfies; here none is. The
notes say for each variant what the device lacks.`,
    failing: `
$ rmxc compile ranker.rmx --profile software -o out`,
    mended: `
$ rmxc compile ranker.rmx --profile software --profile gpu -o out`,
  },
  RMX0821: {
    title: "compiled kernels cannot run on the reference device",
    meaning: `
The reference device evaluates the model itself and runs no kernels. What \`loadArtifact\` reads holds kernels but not the
model, and \`rmxc bench\` and \`rmxc tune\` time kernels: they need a CUDA or a WebGPU device.`,
    failing: `
const program = await loadArtifact("out");
const engine = await program.load(weights, await openDevice("reference"));`,
    mended: `
const program = await compile("ranker.rmx");
const engine = await program.load(weights, await openDevice("reference"));`,
  },
  RMX0822: {
    title: "tuned schedules cannot be read",
    meaning: `
\`rmxc tune\` stores what it measured as JSON: a format number, the device and a list of schedules. A file that is cut off, edited into
something else or of another format is refused when \`--schedules\` names it; one of the cache is left aside with a warning, and the
cost model chooses as if nothing had been tuned. The notes say what is wrong.`,
    failing: `
{ "format": 0, "schedules": [] }`,
    mended: `
$ rmxc tune ranker.rmx -o schedules.json
$ rmxc run ranker.rmx --schedules schedules.json`,
  },
  RMX0823: {
    title: "tuned schedules are another device's",
    meaning: `
A schedule is measured on one device and depends on its limits, subgroups and features. A file that \`--schedules\` names must
be of a device that has the same as the one compiled for; the notes list what differs. Nothing is decided by a device's name.`,
    failing: `
$ rmxc compile ranker.rmx --profile gpu --schedules tuned-on-a-cpu.json`,
    mended: `
$ rmxc tune ranker.rmx -o schedules.json
$ rmxc run ranker.rmx --schedules schedules.json`,
  },
};
