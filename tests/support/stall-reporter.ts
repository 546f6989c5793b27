import type { Reporter, TestModule, Vitest } from 'vitest/node';

/** Longer than any one test or hook may take. */
const stallMs = 320_000;
const lookEveryMs = 5_000;

/**
 * Ends a run in which nothing happens any more. A test that spins without ever yielding is out of reach of its
 * own timeout, and would keep continuous integration busy until somebody looks.
 */
export class StallReporter implements Reporter {
  readonly #running = new Set<TestModule>();
  #vitest!: Vitest;
  #lastSignAtMs = performance.now();

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
    setInterval(() => this.#look(), lookEveryMs).unref();
  }

  onTestModuleStart(module: TestModule): void {
    this.#running.add(module);
    this.#lastSignAtMs = performance.now();
  }

  onTestModuleEnd(module: TestModule): void {
    this.#running.delete(module);
    this.#lastSignAtMs = performance.now();
  }

  onTestCaseReady(): void {
    this.#lastSignAtMs = performance.now();
  }

  onTestCaseResult(): void {
    this.#lastSignAtMs = performance.now();
  }

  #look(): void {
    if (this.#running.size === 0 || performance.now() - this.#lastSignAtMs < stallMs) return;
    for (const module of this.#running) {
      const open = [...module.children.allTests()].filter((test) => test.result().state === 'pending');
      const names = open.slice(0, 3).map((test) => test.fullName);
      this.#vitest.logger.error(
        `stalled for ${stallMs / 1000} s: ${module.relativeModuleId}, at or after: ${names.join('; ')}`,
      );
    }
    process.exit(1);
  }
}
