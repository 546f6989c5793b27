import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Ran } from './cli.ts';

const bin = fileURLToPath(new URL('../../../infra/bin/spokecast.js', import.meta.url));

/** It starts in half the time. */
const compileCache = fileURLToPath(
  new URL('../../../node_modules/.cache/spokecast-compile', import.meta.url),
);

/** The `spokecast` command as a process of its own, as a shell would start it. Killed when disposed of. */
export class CliProcess implements AsyncDisposable {
  readonly #child;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  readonly #said = { stdout: '', stderr: '' };

  constructor(environment: Record<string, string>, args: readonly string[], input = '') {
    this.#child = spawn(process.execPath, [bin, ...args], {
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close').then(() => this.#wake());
    for (const name of ['stdout', 'stderr'] as const)
      this.#child[name].setEncoding('utf8').on('data', (text: string) => {
        this.#said[name] += text;
        this.#wake();
      });
    this.#child.stdin.on('error', () => {}).end(input);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves once it has written this to standard error. @throws Error where it ends before. */
  says(words: string): Promise<void> {
    return this.#writes('stderr', words);
  }

  /** The same of standard output. */
  prints(words: string): Promise<void> {
    return this.#writes('stdout', words);
  }

  async #writes(where: 'stdout' | 'stderr', words: string): Promise<void> {
    while (!this.#said[where].includes(words)) {
      if (this.#hasEnded)
        throw new Error(`it ended without ${words}: ${this.#said.stderr}${this.#said.stdout}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** What it ended with; of a signal that ended it, the exit code that a shell shows. */
  async ended(): Promise<Ran> {
    await this.#ended;
    const { exitCode, signalCode } = this.#child;
    const ofSignal = { SIGINT: 130, SIGKILL: 137, SIGTERM: 143 } as Record<string, number>;
    return { ...this.#said, exitCode: exitCode ?? ofSignal[signalCode!] ?? -1 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.kill('SIGKILL');
    await this.#ended;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
