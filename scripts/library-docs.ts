/** @file Writes `docs/library.md` anew: `npm run docs`. */
import { writeFileSync } from "node:fs";
import { libraryPage, pagePath } from "./library.ts";

writeFileSync(pagePath, libraryPage());
