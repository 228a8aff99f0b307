/** @file What says where a value lies, and nothing about what it is. */
import { type Builtin, tensor } from "./builtin.ts";

export const memory: readonly Builtin[] = [
  {
    name: "keep",
    signature: "keep(x)",
    doc: "x, stored in memory as it is whatever is fused around it: to look at it, or to compare with",
    params: [tensor("x")],
    run(call) {
      const x = call.tensor("x");
      call.env.ctx.builder.keep(x.id);
      return x;
    },
  },
];
