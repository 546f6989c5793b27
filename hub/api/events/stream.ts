import { z } from '@hono/zod-openapi';
import { eventsKeptHours } from '../../db/events.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { eventId, HubEvent } from './event.ts';

const from = z.string().max(40, 'must be the id of an event');

export const streamEvents = defineRoute({
  method: 'GET',
  path: '/v1/events',
  operationId: 'streamEvents',
  tag: 'events',
  summary: 'Follow changes, and how far they come, as they happen',
  description: `Server-sent events that do not end by themselves: \`ready\`, then \`audit\` for every change and \`propagation\` as regions store it and gateways see it, in the order in which they were committed, none left out; \`end\` where the hub ends it. A comment every few seconds shows that it lives, with the id to go on from. After a break, open it again with \`last-event-id\` (as browsers do): events are kept for ${eventsKeptHours} hours, and an older id is refused with \`EVENTS_EXPIRED\`. Who does not read for half a minute is cut off and may go on in the same way. A tenant's key is told its own tenant's entries, and of fences of its tenant's keys.`,
  operation: 'events.read',
  query: z.strictObject({
    since: from.optional().openapi({
      description:
        'The id of an event, to begin after it, or `oldest` for all that is kept; `last-event-id` goes before it. Default: from now on.',
      example: 'oldest',
    }),
  }),
  headers: z.object({
    'last-event-id': eventId.optional().openapi({ description: 'The id of the last event that you have.' }),
  }),
  answer: { status: 200, description: 'The stream.', schema: HubEvent, contentType: 'text/event-stream' },
  problems: ['EVENTS_EXPIRED'],
  async handle({ actor, query, header, hangUp, services }) {
    // A session may end in many ways that a stream would not hear of.
    if (actor.id === actor.userId) fail('FORBIDDEN', 'Streams are for application keys, not for browsers.');
    const given = header('last-event-id') || query.since;
    const stream = await services.events.open({ actor, from: given, hangUp });
    return { stream };
  },
});
