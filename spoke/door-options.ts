import { type OptionTable, option, value } from '../contexts/base/options.ts';
import { milliseconds } from './option-values.ts';

/** What clients may take of a gateway before it has looked at what they want. */
export const doorOptions = {
  connectionsMax: option({
    env: 'SPOKECAST_CONNECTIONS_MAX',
    schema: value.integer(1, 1_000_000),
    default: '20000',
    doc: 'Client connections at the same time. One more is closed at once.',
  }),
  headersTimeoutMs: option({
    env: 'SPOKECAST_HEADERS_TIMEOUT_MS',
    schema: milliseconds(100, 600_000),
    default: '15000',
    doc: 'Milliseconds a client has to send the headers of a request, from its connection or the first byte; also for its TLS handshake. Then 408.',
  }),
  headerBytesMax: option({
    env: 'SPOKECAST_HEADER_BYTES_MAX',
    schema: value.integer(1_024, 1024 * 1024),
    default: '16384',
    doc: 'Bytes that the headers of a request may have together; with more it is answered with 431.',
  }),
  requestsPerConnectionMax: option({
    env: 'SPOKECAST_REQUESTS_PER_CONNECTION_MAX',
    schema: value.integer(0, 1_000_000_000),
    default: '0',
    doc: 'Requests on one client connection, of which the last is answered with connection: close, so that clients spread over gateways; whoever goes on is cut off. 0 for any number.',
  }),
} satisfies OptionTable;
