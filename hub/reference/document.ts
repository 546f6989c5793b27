import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { problemContentType } from '../../contexts/base/problem.ts';
import manifest from '../../package.json' with { type: 'json' };
import { matrix } from '../access.ts';
import { type HubProblemCode, hubProblems } from '../http/problems.ts';
import type { AnyRoute } from '../http/route.ts';
import { waitQuery } from '../http/waiting.ts';
import { type ExampleSchema, exampleOf, problemExample } from './examples.ts';
import { tags } from './tags.ts';

/** An OpenAPI 3.1 document, as far as the pages about the API read it. */
export type ApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

const Problem = z
  .strictObject({
    type: z.string().openapi({ example: 'urn:spokecast:problem:validation-failed' }),
    title: z.string(),
    status: z.int(),
    code: z.string().openapi({ description: 'Stable, for programs.', example: 'VALIDATION_FAILED' }),
    detail: z.string().optional(),
    errors: z
      .array(
        z.strictObject({
          pointer: z.string().openapi({
            description: 'A JSON pointer into the body, or `?name` for a parameter of the query.',
            example: '/placements/0/region',
          }),
          detail: z.string(),
        }),
      )
      .optional()
      .openapi({ description: 'Every field at fault.' }),
  })
  .openapi('Problem', { description: 'RFC 9457.' });

const text = (example: string) => ({ type: 'string' as const, example });
const headers = {
  requestId: {
    description: 'The id of this request in the logs; give one of your own in the request to have it used.',
    required: true,
    schema: text('req_5f0c1d2e3a4b5c6d7e8f9012'),
  },
  etag: { description: 'For `if-match`.', schema: text('"Yx0bq3v8w1e4qafk3s7m2t"') },
  fence: {
    description: 'The id of this change, for `GET /v1/fences/{id}`: how far it has come.',
    schema: text('fen_01k9c0v8w1e4qafk3s7m2t6xhz'),
  },
  propagation: {
    description:
      'With `wait`: `complete` where every region has stored the change and every gateway has seen it, else `incomplete`.',
    schema: { type: 'string' as const, enum: ['complete', 'incomplete'] },
  },
  replayed: {
    description: '`true` where the answer is a replay.',
    schema: { type: 'string' as const, enum: ['true'] },
  },
  rateLimit: {
    description: 'Requests that the application key may make of this hub at once, and when that changes.',
    schema: text('"application-key";r=59999;t=1'),
  },
  rateLimitPolicy: {
    description: 'Requests that the application key may make in so many seconds.',
    schema: text('"application-key";q=60000;w=60'),
  },
  unbuffered: {
    description: 'Tells proxies to pass each event on at once.',
    schema: { type: 'string' as const, enum: ['no'] },
  },
  retryAfter: {
    description: 'Seconds to wait before the request is sent again.',
    required: true,
    schema: { type: 'string' as const, pattern: '^[0-9]+$', example: '1' },
  },
  challenge: {
    description: 'How to authenticate.',
    required: true,
    schema: text('Bearer realm="spokecast"'),
  },
};

/** What any answer of a route carries; the limit, where it is one to an application key. */
const alwaysHeaders = {
  'spokecast-request-id': headers.requestId,
  ratelimit: headers.rateLimit,
  'ratelimit-policy': headers.rateLimitPolicy,
};

/** What the answers of a status carry beside that. */
const problemHeaders: Readonly<Record<number, object>> = {
  401: { 'www-authenticate': headers.challenge },
  412: { etag: { ...headers.etag, required: true } },
  429: { 'retry-after': headers.retryAfter },
  503: { 'retry-after': headers.retryAfter },
};

const description = `The admin API of Spokecast's hub.

- Authenticate with \`authorization: Bearer <application key>\`. A key has a role and belongs to the platform or to one tenant; to a tenant's key, other tenants' things do not exist (404).
- Every error is a problem document (RFC 9457) with a stable \`code\`; every answer carries \`spokecast-request-id\`.
- Lists are \`{items, nextCursor}\`; pass \`nextCursor\` as \`cursor\` for the next page.
- \`POST\` takes an \`Idempotency-Key\`: for 24 hours (\`SPOKECAST_IDEMPOTENCY_HOURS\`) the same request gives the same answer again, marked with \`idempotency-replayed: true\`, and does nothing. A replay of a key's creation omits the secret and says \`secretOmitted\`.
- \`PATCH\` changes the fields that are given. \`PUT\`, \`PATCH\` and \`DELETE\` honour \`If-Match\` with the \`ETag\` of a read.
- Bodies are JSON of at most 64 KiB. Unknown fields and parameters are refused.
- Every change is in the audit log.
- An application key may make \`SPOKECAST_KEY_REQUESTS_MAX\` requests a minute of each hub; \`RateLimit\` and \`RateLimit-Policy\` say what is left, and beyond it is 429 \`TOO_MANY_REQUESTS\` with \`retry-after\`.
- The answer to every change carries \`spokecast-fence\`: ask \`GET /v1/fences/{id}\` how far it has come, or add \`?wait=regions\` to have the answer held until it is everywhere.`;

/** The document of these routes. */
export function openApiDocument(routes: readonly AnyRoute[]): ApiDocument {
  const builder = new OpenAPIHono();
  builder.openAPIRegistry.registerComponent('securitySchemes', 'applicationKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An application key: `spa_...`.',
  });
  for (const route of routes) builder.openAPIRegistry.registerPath(toOpenApi(route));
  for (const code of new Set(routes.flatMap(problemsOf)))
    builder.openAPIRegistry.registerComponent('examples', code, problemExample(code));
  const used = new Set(routes.map(({ tag }) => tag));
  const document = builder.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Spokecast hub',
      version: manifest.version,
      description,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ applicationKey: [] }],
    tags: Object.entries(tags)
      .filter(([name]) => used.has(name as keyof typeof tags))
      .map(([name, description]) => ({ name, description })),
  });
  return withExamples(document);
}

interface JsonContent {
  content?: Record<string, { schema: ExampleSchema; example?: unknown; examples?: unknown }>;
}

/** The document with an example at every body, asked or answered, that declares none itself. */
function withExamples(document: ApiDocument): ApiDocument {
  const schemas = (document.components?.schemas ?? {}) as Record<string, ExampleSchema>;
  for (const item of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(item)) {
      const { operationId, requestBody, responses } = operation as {
        operationId: string;
        requestBody?: JsonContent;
        responses: Record<string, JsonContent>;
      };
      for (const { content = {} } of [requestBody ?? {}, ...Object.values(responses)]) {
        for (const media of Object.values(content)) {
          if (!('example' in media) && !media.examples)
            media.example = exampleOf(media.schema, schemas, operationId);
        }
      }
    }
  }
  return document;
}

function toOpenApi(route: AnyRoute): RouteConfig {
  const { method, path, operationId, tag, summary, answer } = route;
  const answerHeaders = {
    ...alwaysHeaders,
    ...(answer.contentType ? { 'x-accel-buffering': headers.unbuffered } : {}),
    ...(method === 'GET'
      ? {}
      : { 'spokecast-fence': headers.fence, 'spokecast-propagation': headers.propagation }),
    ...(answer.schema && (path.includes('{id}') || method === 'PUT') ? { etag: headers.etag } : {}),
    ...(method === 'POST'
      ? { ...(answer.status === 201 ? { etag: headers.etag } : {}), 'idempotency-replayed': headers.replayed }
      : {}),
  };
  return {
    method: method.toLowerCase() as 'get',
    path,
    operationId,
    tags: [tag],
    summary,
    description: [route.description, whoMay(route)].filter(Boolean).join('\n\n'),
    security: [{ applicationKey: [] }],
    request: {
      ...(route.params ? { params: route.params } : {}),
      ...(queryOf(route) ? { query: queryOf(route) } : {}),
      ...(headersOf(route) ? { headers: headersOf(route) } : {}),
      ...(route.body
        ? {
            body: {
              required: !route.body.safeParse(undefined).success,
              content: { 'application/json': { schema: route.body } },
            },
          }
        : {}),
    },
    responses: {
      [answer.status]: {
        description: answer.description,
        headers: answerHeaders,
        ...(answer.schema
          ? { content: { [answer.contentType ?? 'application/json']: { schema: answer.schema } } }
          : {}),
      },
      ...problemResponses(route),
    },
  } as RouteConfig;
}

/** What a route takes, and for mutations how long to wait. */
function queryOf({ method, query }: AnyRoute): z.ZodObject | undefined {
  if (method === 'GET') return query;
  return query ? query.extend(waitQuery) : z.strictObject(waitQuery);
}

function headersOf(route: AnyRoute): z.ZodObject | undefined {
  if (route.method === 'POST') {
    return z.object({
      'idempotency-key': z
        .string()
        .max(255)
        .optional()
        .openapi({ description: 'Chosen by you, unique a request: a UUID, say.' }),
    });
  }
  if (route.method === 'GET') return route.headers;
  return z.object({
    'if-match': z.string().optional().openapi({ description: 'The `ETag` it must still have.' }),
  });
}

/** The codes that a route may answer with, those it shares with all others included. */
export function problemsOf(route: AnyRoute): HubProblemCode[] {
  const codes: HubProblemCode[] = [
    'UNAUTHENTICATED',
    'FORBIDDEN',
    'CROSS_ORIGIN',
    'TOO_MANY_REQUESTS',
    'TOO_MANY_FAILED_LOGINS',
    'INTERNAL',
    'DATABASE_UNAVAILABLE',
    'OVERLOADED',
    'STOPPING',
  ];
  if (route.query || route.body || route.method !== 'GET') codes.push('VALIDATION_FAILED');
  if (route.method !== 'GET') codes.push('MALFORMED_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE');
  if (route.method === 'GET' && !route.query) codes.push('VALIDATION_FAILED');
  if (route.method === 'POST') codes.push('IDEMPOTENCY_KEY_REUSED');
  return [...new Set([...codes, ...route.problems])];
}

function problemResponses(route: AnyRoute) {
  const byStatus = new Map<number, HubProblemCode[]>();
  for (const code of problemsOf(route)) {
    const [status] = hubProblems[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const entries = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, codes]) => {
      const description = codes.map((code) => `\`${code}\`: ${hubProblems[code][1]}.`).join(' ');
      return [
        status,
        {
          description,
          headers: { ...alwaysHeaders, ...problemHeaders[status] },
          content: {
            [problemContentType]: {
              schema: Problem,
              examples: Object.fromEntries(
                codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
              ),
            },
          },
        },
      ];
    });
  return Object.fromEntries(entries);
}

function whoMay({ operation }: AnyRoute): string {
  const { platform, tenant } = matrix[operation];
  const least = (role: string | null, scope: string) =>
    role === null ? `no key of ${scope}` : `keys of ${scope} from the role \`${role}\` up`;
  return `For ${least(platform, 'the platform')} and ${least(tenant, 'a tenant')} (\`${operation}\`).`;
}
