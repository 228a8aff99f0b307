import { describe, expect, it } from "vitest";
import { Flights } from "../../src/runtime/engine/flights.ts";

/** A promise that is settled from outside. */
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

describe("flights", () => {
  it("are at most as many as there are, in the order of the calls, each with one of its own", async () => {
    const flights = new Flights(["a", "b"]);
    const begun: number[] = [];
    const using = new Set<string>();
    const gates = Array.from({ length: 6 }, gate);
    const runs = gates.map(({ passed }, i) =>
      flights.run(async (flight) => {
        expect(using.has(flight)).toBe(false);
        using.add(flight);
        begun.push(i);
        await passed;
        using.delete(flight);
        return i;
      }),
    );
    await Promise.resolve();
    expect(begun).toEqual([0, 1]);
    // The second ends first: its flight goes to the third.
    gates[1]?.open();
    expect(await runs[1]).toBe(1);
    await Promise.resolve();
    expect(begun).toEqual([0, 1, 2]);
    for (const { open } of gates) open();
    expect(await Promise.all(runs)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
    expect(flights.inUse.size).toBe(0);
  });

  it("come back from calls that fail", async () => {
    const flights = new Flights(["a"]);
    const failed = flights.run(() => Promise.reject(new Error("no")));
    const next = flights.run(async (flight) => flight);
    await expect(failed).rejects.toThrow("no");
    expect(await next).toBe("a");
    const thrown = flights.run(() => {
      throw new Error("at once");
    });
    await expect(thrown).rejects.toThrow("at once");
    expect(await flights.run(async (flight) => flight)).toBe("a");
  });
});
