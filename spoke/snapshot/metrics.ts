import { Counter, Gauge, type Registry } from 'prom-client';
import type { Refusal } from './frames.ts';
import type { RehearsalOutcome } from './rehearsal.ts';

/** What the gauges show, looked up when they are scraped. Ages are undefined where there is nothing to be old. */
export interface SnapshotNumbers {
  markAgeMs: number | undefined;
  snapshotBytes: number;
  journalBytes: number;
  isIncomplete: boolean;
  isAnsweringFromSnapshot: boolean;
  restoredContexts: number;
  bootableAgeMs: number | undefined;
}

/** The numbers of what is kept on disk. -1 stands for what there is none of. */
export class SnapshotMetrics {
  readonly #writes: Counter<'outcome'>;
  readonly #refusals: Counter<'refusal'>;
  readonly #rehearsals: Counter<'outcome'>;
  #numbers: (() => SnapshotNumbers) | undefined;

  constructor(registry: Registry) {
    const counter = <Label extends string>(name: string, help: string, label: Label) =>
      new Counter({ name, help, labelNames: [label], registers: [registry] });
    this.#writes = counter(
      'spokecast_snapshot_writes_total',
      'Snapshots written, and writes to snapshot or journal that failed.',
      'outcome',
    );
    this.#refusals = counter('spokecast_snapshot_refusals_total', 'Snapshots refused, by why.', 'refusal');
    this.#rehearsals = counter('spokecast_rehearsals_total', 'Rehearsals by what they came to.', 'outcome');
    this.#gauge(
      registry,
      'spokecast_snapshot_age_seconds',
      'Since the snapshot and its journal were last up to date; -1 without one.',
      (numbers) => seconds(numbers.markAgeMs),
    );
    this.#gauge(
      registry,
      'spokecast_snapshot_bytes',
      'Bytes of the last snapshot written.',
      (numbers) => numbers.snapshotBytes,
    );
    this.#gauge(
      registry,
      'spokecast_snapshot_journal_bytes',
      'Bytes of the journal that goes on from it.',
      (numbers) => numbers.journalBytes,
    );
    this.#gauge(
      registry,
      'spokecast_snapshot_incomplete',
      '1 while what is on disk lacks what was in force, so that nobody may boot from it.',
      (numbers) => (numbers.isIncomplete ? 1 : 0),
    );
    this.#gauge(
      registry,
      'spokecast_answering_from_snapshot',
      '1 while the store has not been reached since the start, and the snapshot answers.',
      (numbers) => (numbers.isAnsweringFromSnapshot ? 1 : 0),
    );
    this.#gauge(
      registry,
      'spokecast_snapshot_restored_contexts',
      'Contexts taken up from the snapshot at the start.',
      (numbers) => numbers.restoredContexts,
    );
    this.#gauge(
      registry,
      'spokecast_bootable_age_seconds',
      'Since a rehearsal last proved that a gateway boots from the snapshot (since the start, before the first); -1 without rehearsals.',
      (numbers) => seconds(numbers.bootableAgeMs),
    );
  }

  #gauge(registry: Registry, name: string, help: string, read: (numbers: SnapshotNumbers) => number): void {
    const numbers = () => this.#numbers?.();
    new Gauge({
      name,
      help,
      aggregator: 'max', // of several workers one keeps a snapshot
      registers: [registry],
      collect() {
        const now = numbers();
        if (now !== undefined) this.set(read(now));
      },
    });
  }

  watch(numbers: () => SnapshotNumbers): void {
    this.#numbers = numbers;
  }

  wrote(outcome: 'written' | 'snapshot-failed' | 'journal-failed' | 'set-aside-failed'): void {
    this.#writes.inc({ outcome });
  }

  refused(refusal: Refusal): void {
    this.#refusals.inc({ refusal });
  }

  rehearsed(outcome: RehearsalOutcome): void {
    this.#rehearsals.inc({ outcome });
  }
}

function seconds(ms: number | undefined): number {
  return ms === undefined ? -1 : ms / 1_000;
}
