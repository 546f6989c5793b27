import { z } from '@hono/zod-openapi';
import type { PlacedEvent } from '../../db/events.ts';
import { idOf, moment, regionId } from '../../http/fields.ts';
import { AuditEntry, toEntry } from '../audit-log/entry.ts';

export const eventId = z.string().openapi({
  description: 'Where it stands in the stream: for `last-event-id`, to go on after it. Opaque.',
  example: '1-4711',
});

const fence = idOf('fence').nullable();

const Audit = z
  .strictObject({
    id: eventId,
    event: z.literal('audit'),
    data: z.strictObject({
      entry: AuditEntry,
      fence: fence.openapi({ description: 'For `GET /v1/fences/{id}`; null where the change has none.' }),
    }),
  })
  .openapi('AuditEvent', { description: 'Something was changed: what the audit log has of it.' });

const Propagation = z
  .strictObject({
    id: eventId,
    event: z.literal('propagation'),
    data: z.strictObject({
      fence: idOf('fence'),
      step: z.enum(['relayed', 'stored', 'seen']).openapi({
        description:
          '`relayed`: every region concerned has been given its work; again where the change reached more contexts since. `stored`: the region holds the change. `seen`: every gateway of the region goes by it.',
      }),
      region: regionId.nullable().openapi({ description: 'Null where it is about all of them: `relayed`.' }),
      at: moment,
    }),
  })
  .openapi('PropagationEvent', { description: 'How far a change has come.' });

const Ready = z
  .strictObject({
    id: eventId,
    event: z.literal('ready'),
    data: z.strictObject({
      after: eventId.openapi({ description: 'What happens after this is told.' }),
      oldest: eventId.openapi({ description: 'The oldest that can be gone on from.' }),
    }),
  })
  .openapi('ReadyEvent', { description: 'The first of every stream.' });

export const endReasons = ['slow', 'stopping', 'refused', 'restored', 'unavailable'] as const;
export type EndReason = (typeof endReasons)[number];

const End = z
  .strictObject({
    id: eventId,
    event: z.literal('end'),
    data: z.strictObject({
      reason: z.enum(endReasons).openapi({
        description:
          '`slow`: what was sent was not read. `stopping`: another hub will answer. `refused`: the key is not valid any more. `restored`: the hub was restored from a backup, and positions before it mean nothing. `unavailable`: the database does not answer.',
      }),
      detail: z.string().openapi({ example: 'Open the stream again with the last-event-id 1-4711.' }),
    }),
  })
  .openapi('EndEvent', { description: 'The last of a stream that the hub ends, and what to do.' });

/** One event, its `data` parsed. */
export const HubEvent = z.union([Audit, Propagation, Ready, End]).openapi('HubEvent', {
  description: 'One event of the stream, by its fields; `data` is JSON.',
});

export type HubEventValue = z.infer<typeof HubEvent>;

/** The event as it is told; undefined where what it tells of is gone. */
export function toEvent(id: string, row: PlacedEvent): HubEventValue | undefined {
  if (row.step !== null)
    return {
      ...{ id, event: 'propagation' },
      data: { fence: row.fence!, step: row.step, region: row.region, at: row.at.toISOString() },
    };
  if (row.entry === null) return undefined;
  return { id, event: 'audit', data: { entry: toEntry(row.entry), fence: row.fence } };
}
