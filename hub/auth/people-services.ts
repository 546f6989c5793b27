import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import type { LinkRow } from './one-time-links.ts';

/** What signing in is made of. Constructed in wire.ts. */
export interface People {
  /** Where browsers reach the hub, where that is configured. */
  publicUrl: string | undefined;
  /** What links begin with: the public URL, or where the hub listens. */
  origin(): string;
  sessionIdleMs: number;
  sessionMs: number;
  /** For how long each kind of link works. */
  linkMs: Record<LinkRow['purpose'], number>;
}

export interface PeopleServices {
  clock: Clock;
  random: Random;
  people: Pick<People, 'origin' | 'linkMs'>;
}
