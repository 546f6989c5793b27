import { type Problem, problem } from '../../contexts/base/problem.ts';

/**
 * Every error the hub's API gives, by code: the one place where a code meets its HTTP status. The generated page
 * docs/reference/api.md lists them all.
 */
export const hubProblems = {
  MALFORMED_JSON: [400, 'The body is not JSON', 'The body could not be parsed; `detail` gives the position.'],
  VALIDATION_FAILED: [
    400,
    'The request is not valid',
    'Fields are missing, unknown or out of bounds; `errors` names every one of them.',
  ],
  UNAUTHENTICATED: [
    401,
    'A valid application key is required',
    'The key is absent, malformed, unknown, wrong, disabled, expired or revoked; or the session of the browser has ended.',
  ],
  FORBIDDEN: [
    403,
    'You are not allowed to do this',
    'The role or the scope of the application key, or of the person, does not cover the operation.',
  ],
  SIGN_IN_AGAIN: [
    403,
    'You signed in a while ago',
    'What this gives outlasts your session, so it is for who has signed in within the last ten minutes. Sign out, sign in, and do it again.',
  ],
  CROSS_ORIGIN: [
    403,
    'The request comes from another site',
    'A browser sent it with the session of somebody who is signed in, but not from the hub’s own pages. Programs use an application key.',
  ],
  NOT_FOUND: [
    404,
    'There is no such thing',
    'It does not exist, or it belongs to a tenant that is not yours.',
  ],
  METHOD_NOT_ALLOWED: [
    405,
    'The path does not know this method',
    'The `allow` header lists the methods that it knows.',
  ],
  NAME_TAKEN: [
    409,
    'The name is taken',
    'Names of tenants are unique, names of clusters are unique within their tenant. Names of agent keys may be taken twice, but not where several are created at once.',
  ],
  ID_TAKEN: [409, 'The id is taken', 'A region of that id exists.'],
  STORE_TAKEN: [409, 'The store belongs to another region', 'Each region needs a table of its own.'],
  REGION_IN_USE: [409, 'Clusters are placed in the region', 'Move them elsewhere first.'],
  REGION_NOT_ACTIVE: [
    409,
    'The region takes no new placements',
    'Only active regions do, and new ones that are seeding.',
  ],
  REGION_DISABLED: [
    409,
    'The region is disabled',
    'Nothing is published to a disabled region, so it is not swept either.',
  ],
  REGION_STORE_FIXED: [
    409,
    'The store of a region in service cannot be exchanged',
    'Disable the region first.',
  ],
  TENANT_HAS_CLUSTERS: [
    409,
    'The tenant has clusters',
    'Delete them first, or delete the tenant with `?cascade=true`.',
  ],
  LAST_OWNER: [
    409,
    'This is the last owner of the platform',
    'Without that key or person nobody could manage application keys and people; make another owner first.',
  ],
  TOO_MANY_KEYS: [
    409,
    'You have too many application keys',
    'Revoke some of them under “Your account” first.',
  ],
  ALREADY_MEMBER: [409, 'The person belongs there already', 'Change the role by `PATCH /v1/users/{id}`.'],
  NOTHING_TO_ACCEPT: [409, 'There is no invitation to accept', 'The person has accepted every membership.'],
  USER_NOT_ACTIVE: [
    409,
    'The person cannot sign in',
    'Who is invited chooses a password by the invitation; who is disabled must be enabled first.',
  ],
  PUBLIC_URL_UNSET: [
    421,
    'The hub does not know this address',
    'People can sign in at `SPOKECAST_PUBLIC_URL`, or at http://localhost where it is not set.',
  ],
  SIGN_IN_LOST: [
    400,
    'This sign-in was not begun here',
    'The answer of the provider does not belong to what this browser asked, or it took more than ten minutes. Begin again.',
  ],
  SIGN_IN_REFUSED: [
    403,
    'You are not let in',
    'The provider has said who you are, but that opens no account here; `detail` says what to do.',
  ],
  PROVIDER_UNAVAILABLE: [
    502,
    'The provider does not answer as it should',
    'Try again, or sign in with a password. The hub’s log has the reason, under the request id.',
  ],
  LINK_USED_UP: [
    410,
    'The link does not work',
    'It was used, has expired, or was replaced by a later one. Ask for another.',
  ],
  QUOTA_EXCEEDED: [
    409,
    'The tenant has as many as it may',
    'A quota of the tenant is used up: of clusters, agent keys or regions. `detail` says which.',
  ],
  RESIDENCY_IN_USE: [
    409,
    'Clusters are placed outside of that residency',
    'Move them into the allowed regions first.',
  ],
  SECRET_TAKEN: [
    409,
    'A key was imported with this secret',
    'A secret belongs to one key. Revoke that key first, or change it instead.',
  ],
  TOO_MANY_SECRETS: [
    409,
    'Too many secrets of the key are ending',
    'Wait until the first of `retiring` has ended, or rotate with `graceSeconds: 0`, which ends them all.',
  ],
  NOTHING_HELD: [
    409,
    'Nothing was held when the sweep ended',
    'Only the plan of a sweep that has completed and left something held can be approved.',
  ],
  PLAN_CHANGED: [
    409,
    'What is held has changed since the sweep',
    'Sweep the region again, look at what is held now, and approve that sweep.',
  ],
  EVENTS_EXPIRED: [
    410,
    'The events after that id are not kept any more',
    'The stream cannot be gone on with where it broke off; `detail` says why, and from where it can.',
  ],
  PRECONDITION_FAILED: [
    412,
    'It has changed since you read it',
    'The `If-Match` header names another state than the current one; read it again.',
  ],
  BODY_TOO_LARGE: [413, 'The body is too large', 'Bodies have at most 64 KiB.'],
  UNSUPPORTED_MEDIA_TYPE: [
    415,
    'The body must be JSON',
    'Send it with `content-type: application/json`, uncompressed.',
  ],
  REGION_UNKNOWN: [
    422,
    'There is no such region',
    'A placement or a sweep names a region that does not exist; `errors` says which.',
  ],
  REGION_NOT_ALLOWED: [
    422,
    'The tenant may not be in this region',
    "The tenant's residency names the regions that its clusters may be placed in.",
  ],
  IDEMPOTENCY_KEY_REUSED: [
    422,
    'The idempotency key belongs to another request',
    'The same `Idempotency-Key` came before with another method, path or body.',
  ],
  TOO_MANY_REQUESTS: [
    429,
    'The application key makes too many requests',
    'Wait as long as `retry-after` says; `RateLimit` and `RateLimit-Policy` say how many are left.',
  ],
  TOO_MANY_FAILED_LOGINS: [
    429,
    'Too many failed logins',
    'Wait as long as `retry-after` says. Keys that have worked from the same address go on working.',
  ],
  INTERNAL: [500, 'The hub made a mistake', 'It is logged under the request id; nothing was changed.'],
  DATABASE_UNAVAILABLE: [
    503,
    'The database does not answer',
    'Repeat the request after `retry-after` seconds, a POST with the same `Idempotency-Key`: whether a change was made is unknown.',
  ],
  OVERLOADED: [
    503,
    'Too many requests at once',
    'Repeat the request after `retry-after` seconds; nothing was changed.',
  ],
  STOPPING: [503, 'The hub is stopping', 'Another instance will answer.'],
} as const satisfies Record<string, readonly [status: number, title: string, meaning: string]>;

export type HubProblemCode = keyof typeof hubProblems;

export type FieldErrors = readonly { pointer: string; detail: string }[];

export interface ProblemDetails {
  detail?: string;
  errors?: FieldErrors;
  headers?: Record<string, string>;
}

/** An answer other than the wanted one, thrown from wherever it is found out; the pipeline answers with it. */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly code: HubProblemCode;
  readonly headers: Record<string, string>;
  readonly document: Problem;

  constructor(code: HubProblemCode, { headers = {}, ...rest }: ProblemDetails = {}) {
    const [status, title, meaning] = hubProblems[code];
    super(`${code}: ${rest.detail ?? meaning}`);
    this.code = code;
    this.headers = headers;
    this.document = problem(status, code, title, {
      detail: rest.detail ?? meaning,
      ...(rest.errors ? { errors: rest.errors } : {}),
    });
  }
}

/** Ends the request with that problem. */
export function fail(code: HubProblemCode, details: ProblemDetails | string = {}): never {
  throw new ProblemError(code, typeof details === 'string' ? { detail: details } : details);
}

/** Ends the request with `code`, blaming one field of the body. */
export function blame(code: HubProblemCode, pointer: string, detail: string): never {
  throw new ProblemError(code, { detail, errors: [{ pointer, detail }] });
}
