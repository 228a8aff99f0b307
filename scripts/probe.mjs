/**
 * @file Says which WebGPU adapter Node finds here. Exit status 0: there is one; 1: there is none. Used by test.sh and
 * driver.sh before anything is built.
 */
import process from "node:process";

try {
  const { create } = await import("webgpu");
  const adapter = await create([]).requestAdapter();
  console.log(adapter === null ? "no WebGPU adapter" : `WebGPU adapter: ${adapter.info.description}`);
  process.exit(adapter === null ? 1 : 0);
} catch (error) {
  console.log(`no WebGPU: ${error.message.split("\n")[0]}`);
  process.exit(1);
}
