import { type OptionTable, option, value } from '../contexts/base/options.ts';
import { shareOrOff } from './option-values.ts';

/** What operators may see of a gateway beside its metrics. */
export const observerOptions = {
  debugToken: option({
    env: 'SPOKECAST_DEBUG_TOKEN',
    schema: value.matching(/^[\x21-\x7e]{32,}$/, '32 visible characters or more'),
    optional: true,
    secret: true,
    doc: 'The token with which /debug/agent-keys/{id} (`spokecast explain`) may be asked why a key is let in or not. Without it there is no such path.',
  }),
  accessLog: option({
    env: 'SPOKECAST_ACCESS_LOG',
    schema: shareOrOff,
    default: 'off',
    doc: 'The share of requests of which a line is logged, from 0 to 1, beside refusals; off for no line at all.',
  }),
  accessLogRefusalsPerSecond: option({
    env: 'SPOKECAST_ACCESS_LOG_REFUSALS_PER_SECOND',
    schema: value.integer(1, 100_000),
    default: '10',
    doc: 'Refused and failed requests of which a line is logged in a second at the most, whatever the share. Counted are all.',
  }),
} satisfies OptionTable;
