/** @file Pages of the notes about stages: what `--explain stages` says of parts that run once a candidate. */
import type { CodePage } from "./page.ts";

export const stagePages: Record<string, CodePage> = {
  RMX0491: {
    title: "a value ties parts of the model to the candidate",
    meaning:
      "Here something that depends on the request alone meets something that depends on the candidate, so the result, and whatever reads it, is computed for every candidate. That is how a model takes both into account; it costs where it happens early. `ug_mask` keeps rows of the user apart from the candidate's, so that they run once a request. It is a note, no error.",
    failing: `
x = token_mixing(x)                      // every row takes channels of the item's tokens`,
    mended: `
x = ug_mask(token_mixing(x), rows = 0:8) // in the first rows these channels are 0`,
  },
  RMX0492: {
    title: "a part of the request's own is computed for every candidate",
    meaning:
      "The value depends on the request alone, but the compiler does not cut it out of one that depends on the candidate: the pieces would be too many, each a launch of its own, or they are a corner that no whole row or column holds (the scores of user tokens among each other) and that no mask sets apart. Values whose user rows lie side by side are cut once. It is a note, no error.",
    failing: `
x = rearrange(x, "(u g) d -> (g u) d", u = 16)   // the user's rows lie among the candidate's`,
    mended: `
x = concat(user_rows, item_rows)                 // side by side`,
  },
};
