/** @file Calling a primitive. */
import type { Matched } from "../arguments.ts";
import type { Site } from "../calls.ts";
import type { Env } from "../context.ts";
import type { Value } from "../values.ts";
import { type Builtin, BuiltinCall } from "./builtin.ts";

export function runBuiltin(builtin: Builtin, matched: Matched, site: Site, env: Env): Value {
  return builtin.run(new BuiltinCall(builtin.name, matched, site, env));
}
