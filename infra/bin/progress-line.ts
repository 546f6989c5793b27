import { systemClock } from '../../contexts/base/clock.ts';

const barCells = 30;

/** `[####......] 40 % 4/10`; without a total, that it is not known yet. */
export function bar(done: number, total: number | null): string {
  if (total === null) return 'counting ...';
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * barCells);
  return `[${'#'.repeat(full)}${'.'.repeat(barCells - full)}] ${Math.floor(share * 100)} % ${done}/${total}`;
}

/** One line that is written over at a terminal; elsewhere, lines that differ, one a second at the most. */
export class ProgressLine {
  #last = '';
  #shownAt = Number.NEGATIVE_INFINITY;

  show(text: string): void {
    if (text === this.#last) return;
    const now = systemClock.monotonic();
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
    else if (now - this.#shownAt >= 1_000) process.stderr.write(`${text}\n`);
    else return;
    this.#last = text;
    this.#shownAt = now;
  }

  end(): void {
    if (process.stderr.isTTY && this.#last !== '') process.stderr.write('\n');
  }
}

/** Ctrl-C ends the command, not what it follows: it says so, and how to follow it again. */
export function onInterrupt(words: string | (() => string)): Disposable {
  const end = () => {
    console.error(`\n${typeof words === 'string' ? words : words()}`);
    process.exit(130);
  };
  process.once('SIGINT', end);
  return { [Symbol.dispose]: () => process.removeListener('SIGINT', end) };
}
