import { timestamp } from '../../contexts/base/clock.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import type { ReadResult, StoredItem } from '../../contexts/store.ts';
import { absentFilled, failed, type Lookup } from '../cache/outcomes.ts';
import { prepare } from '../prepared.ts';

/** What the store says of one link, beside what is held of it. */
export interface StoredLink {
  /** `same` as what is held, or how it differs; `held-nothing` where there is nothing to compare. */
  compared: 'same' | 'newer' | 'older' | 'held-nothing' | 'absent' | 'corrupt';
  version: string | null;
  epoch: number | null;
  revision: number | null;
  tombstone: boolean;
  builtAt: string | null;
  reason: string | null;
}

export function storedLinkOf(item: StoredItem | undefined, heldVersion: string | null): StoredLink {
  const nothing = {
    version: null,
    epoch: null,
    revision: null,
    tombstone: false,
    builtAt: null,
    reason: null,
  };
  if (item === undefined) return { ...nothing, compared: 'absent' };
  if (item.state === 'corrupt')
    return { ...nothing, compared: 'corrupt', version: item.seen ?? null, reason: item.reason };
  const { version, bodyText, builtAtMs } = item.envelope;
  const decoded = decodeVersion(version);
  return {
    compared:
      heldVersion === null
        ? 'held-nothing'
        : version === heldVersion
          ? 'same'
          : version > heldVersion
            ? 'newer'
            : 'older',
    version,
    epoch: decoded?.epoch ?? null,
    revision: decoded?.revision ?? null,
    tombstone: bodyText === null,
    builtAt: timestamp(builtAtMs),
    reason: null,
  };
}

/** What a gateway that holds nothing would make of what was read. */
export function lookupOfStored({ items, identity }: ReadResult, { kind, key }: ContextRef): Lookup<unknown> {
  const item = items.get(`${kind}/${key}`);
  if (item === undefined) return identity?.whole ? absentFilled.unknown : failed['not-whole'];
  if (item.state === 'corrupt') return failed.undecodable;
  const prepared = prepare[kind](item.envelope as never);
  if (prepared.outcome === 'tombstone') return absentFilled.tombstone;
  if (prepared.outcome === 'undecodable') return failed.undecodable;
  return { state: 'present', outcome: 'filled', value: prepared.value, version: item.envelope.version };
}
