/** @file The parent's side of a peer's process. */
import { type ChildProcess, fork } from "node:child_process";
import type { Answer, Command, Loaded, Prepared, Timed } from "./child.ts";
import type { Job } from "./job.ts";
import type { PeerId } from "./peer.ts";

/** A signal that stops a process until `SIGCONT`; Windows has none, and there peers merely wait. */
const STOPS = process.platform !== "win32";

/** A stopped process does not notice that its parent is gone. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A peer that does not answer for so long is given up. */
const LIMIT_MS = 180_000;

export class PeerProcess {
  readonly id: PeerId;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];

  constructor(id: PeerId, script: string) {
    this.id = id;
    this.#child = fork(script, [id], { serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"] });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => this.#said.push(chunk.toString()));
  }

  load(job: Job): Promise<Loaded> {
    return this.#ask<Loaded>({ kind: "load", job });
  }

  /** Warms up and chooses how to wait. */
  prepare(): Promise<Prepared> {
    return this.#ask<Prepared>({ kind: "prepare" });
  }

  async time(calls: number): Promise<readonly number[]> {
    return (await this.#ask<Timed>({ kind: "time", calls })).milliseconds;
  }

  end(): void {
    running.delete(this.#child);
    this.#child.kill("SIGKILL");
  }

  /** Runs while it answers, and is stopped otherwise. */
  #ask<A extends Answer>(command: Command): Promise<A> {
    return new Promise((resolve, reject) => {
      const ended = (): void => {
        settle();
        const words = this.#said.join("").trim().split("\n").slice(-3).join(" ");
        reject(new Error(`its process ended${words === "" ? "" : `: ${words}`}`));
      };
      const answered = (answer: Answer): void => {
        settle();
        if (STOPS) this.#child.kill("SIGSTOP");
        if ("failed" in answer) reject(new Error(answer.failed));
        else resolve(answer as A);
      };
      const late = (): void => {
        settle();
        reject(new Error(`it gave no answer within ${LIMIT_MS / 1000} seconds`));
      };
      const timer = setTimeout(late, LIMIT_MS);
      const settle = (): void => {
        clearTimeout(timer);
        this.#child.off("exit", ended);
        this.#child.off("message", answered);
      };
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return ended();
      this.#child.on("exit", ended);
      this.#child.on("message", answered);
      if (STOPS) this.#child.kill("SIGCONT");
      this.#child.send(command);
    });
  }
}
