/** @file What libraries made for browsers look for: `navigator.gpu`, here Dawn's, the very package that rmxc runs on. */

export async function provideNavigator(): Promise<void> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const value = { gpu: create([]), userAgent: "node", platform: process.platform, hardwareConcurrency: 2 };
  Object.defineProperty(globalThis, "navigator", { value, configurable: true });
}

/**
 * Lets queue writes read memory that threads share, as a browser does and Dawn's binding for Node does not: wasm libraries keep
 * their heap in it. Such a write is copied first.
 */
export async function provideSharedWrites(): Promise<void> {
  const { globals } = await import("webgpu");
  const { prototype } = (globals as { readonly GPUQueue: { readonly prototype: GPUQueue } }).GPUQueue;
  const { writeBuffer } = prototype;
  prototype.writeBuffer = function (this: GPUQueue, buffer, at, data, from = 0, size) {
    const shared = ArrayBuffer.isView(data) ? data.buffer : data;
    if (!(shared instanceof SharedArrayBuffer)) {
      return writeBuffer.call(this, buffer, at, data, from, size);
    }
    // Offset and size count elements of a typed array, bytes of anything else.
    const unit = ArrayBuffer.isView(data) && "BYTES_PER_ELEMENT" in data ? Number(data.BYTES_PER_ELEMENT) : 1;
    const begin = (ArrayBuffer.isView(data) ? data.byteOffset : 0) + from * unit;
    const bytes = size === undefined ? data.byteLength - from * unit : size * unit;
    return writeBuffer.call(this, buffer, at, Uint8Array.from(new Uint8Array(shared, begin, bytes)));
  };
}
