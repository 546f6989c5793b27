import { createWriteStream, type WriteStream } from 'node:fs';
import { systemClock as clock } from '../../contexts/base/clock.ts';
import { time } from './judge.ts';

export type Section = 'change' | 'fault' | 'answer' | 'checked';

const titles: Record<Section, string> = {
  change: 'changes made',
  fault: 'faults',
  answer: 'answers of gateways',
  checked: 'checked',
};

/** What was done, line by line in a log, and how often in a table. */
export class Tally {
  readonly #counts = new Map<Section, Map<string, number>>();
  readonly #log: WriteStream;
  readonly #print: (line: string) => void;

  constructor(logPath: string, print: (line: string) => void) {
    this.#log = createWriteStream(logPath, { flags: 'a' });
    this.#print = print;
  }

  /** A line for the log alone. */
  did(who: string, what: string): void {
    this.#log.write(`${time(clock.now())} ${who}: ${what}\n`);
  }

  /** A line for the log and whoever watches. */
  say(line: string): void {
    const stamped = `${time(clock.now())} ${line}`;
    this.#log.write(`${stamped}\n`);
    this.#print(stamped);
  }

  count(section: Section, what: string, by = 1): void {
    const counts = this.#counts.get(section) ?? new Map<string, number>();
    this.#counts.set(section, counts);
    counts.set(what, (counts.get(what) ?? 0) + by);
  }

  total(section: Section, matching = (_what: string) => true): number {
    const counts = [...(this.#counts.get(section) ?? [])];
    return counts.filter(([what]) => matching(what)).reduce((sum, [, count]) => sum + count, 0);
  }

  table(): string {
    const lines: string[] = [];
    for (const section of Object.keys(titles) as Section[]) {
      const counts = [...(this.#counts.get(section) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
      if (counts.length === 0) continue;
      lines.push('', titles[section]);
      for (const [what, count] of counts) lines.push(`  ${String(count).padStart(8)}  ${what}`);
    }
    return lines.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#log.end(resolve));
  }
}
