/** @file rmxc itself, under the same conditions as its peers. */
import { compileFor } from "../../src/compile.ts";
import { openDevice } from "../../src/index.ts";
import { loadEngine } from "../../src/load.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { draw, type Job } from "./job.ts";
import type { Peer } from "./peer.ts";

/** With `reuse` a request's part is computed once a request, not once a candidate; the call includes it either way. */
export async function loadRmxc(job: Job, reuse: boolean): Promise<Peer> {
  const { graph, weights, inputs } = draw(reuse ? { ...job, requests: 1 } : job);
  const device = await openDevice("webgpu", { quiet: true });
  const variant = compileFor(graph, device.profile, { reuse });
  const engine = await loadEngine({ name: graph.name, graph, variants: [variant] }, weights, device);
  const user = stageValues(graph.features, inputs, "user");
  const items = stageValues(graph.features, inputs, "item");
  const { requests, candidates, request } = inputs;
  return {
    sleeps: true,
    async call() {
      const handle = await engine.user(user, { requests });
      try {
        return await engine.score(handle, items, { request, candidates });
      } finally {
        handle.free();
      }
    },
    async close() {
      engine.destroy();
      device.destroy();
    },
  };
}
