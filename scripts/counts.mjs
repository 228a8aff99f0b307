/**
 * @file `node scripts/counts.mjs REPORT STATUS` prints "PASSED FAILED" from vitest's JSON report. A file that could not be
 * loaded counts as one failure, as do a run without a report and one that failed outside of any test.
 */
import { readFileSync } from "node:fs";

const [path, status] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const report = JSON.parse(readFileSync(path, "utf8"));
  passed = report.numPassedTests;
  failed = report.numFailedTests;
  for (const file of report.testResults) {
    if (file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")) failed++;
  }
} catch (error) {
  console.error(`no test report: ${error.message}`);
}
if (status !== "0" && failed === 0) failed = 1;
if (passed + failed === 0) failed = 1;
console.log(`${passed} ${failed}`);
