import type { Envelope, SealOutcome } from './envelope.ts';
import { open, seal } from './envelope.ts';
import { type ContextRef, type KindName, kinds } from './kinds/index.ts';
import type { StoredItem } from './store.ts';

/** Whether content of that kind, valid or not, lets nobody through at that time. */
export function denies(kind: KindName, body: unknown, nowMs: number): boolean {
  if (typeof body !== 'object' || body === null) return false;
  return kinds[kind].denies(body, nowMs);
}

/** The moment from which content of that kind, valid or not, lets nobody through by the clock alone. */
export function endsAtMs(kind: KindName, body: unknown): number | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { endsAtMs } = kinds[kind] as { endsAtMs?(body: object): number | undefined };
  return endsAtMs?.(body);
}

/**
 * Whether something under the key may be letting somebody through at that time. What does not decode may: gateways
 * that read it before go on with their last good one.
 */
export function mayAllow(item: StoredItem | undefined, nowMs: number): boolean {
  if (item === undefined) return false;
  if (item.state === 'corrupt') return true;
  const opened = open(item.envelope);
  if (opened.outcome === 'tombstone') return false;
  return opened.outcome === 'undecodable' || !denies(item.envelope.kind, opened.body, nowMs);
}

/**
 * What stands in for a context that denies and whose content breaks the schema: a denial must not wait until somebody
 * has mended the rest. Fields that are valid are kept, so that callers are told the same reason.
 */
export function sealDenial(
  input: ContextRef & { epoch: number; revision: number; body: unknown; builtAtMs: number },
): Envelope {
  const { schema, denial } = kinds[input.kind];
  const given = input.body as Record<string, unknown>;
  const fields: Record<string, { safeParse(value: unknown): { success: boolean } }> = schema.shape;
  const kept = Object.fromEntries(
    Object.keys(denial).flatMap((name) =>
      fields[name]?.safeParse(given[name]).success ? [[name, given[name]]] : [],
    ),
  );
  const salvaged = seal({ ...input, body: { ...denial, ...kept } });
  return salvaged.outcome === 'sealed' ? salvaged.envelope : sealed(seal({ ...input, body: denial }));
}

function sealed(outcome: SealOutcome): Envelope {
  if (outcome.outcome === 'sealed') return outcome.envelope;
  throw new Error(`the denial of a kind breaks its own schema: ${outcome.reason}`);
}
