import { option, value } from '../../contexts/base/options.ts';

/** What the commands that ask a gateway need; the URL may also be given as a flag. */
export const gatewayClientOptions = {
  gatewayUrl: option({
    env: 'SPOKECAST_GATEWAY_URL',
    schema: value.url(['http', 'https']),
    default: 'http://127.0.0.1:4101',
    doc: 'Where the gateway answers.',
  }),
  debugToken: option({
    env: 'SPOKECAST_DEBUG_TOKEN',
    schema: value.matching(/^[\x21-\x7e]{32,}$/, '32 visible characters or more'),
    optional: true,
    secret: true,
    doc: 'The same token that the gateway has.',
  }),
  debugTokenFile: option({
    env: 'SPOKECAST_DEBUG_TOKEN_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'A file that holds the token, where it is not given itself.',
  }),
};
