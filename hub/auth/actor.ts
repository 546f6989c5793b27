import { z } from '@hono/zod-openapi';

export const roles = ['owner', 'admin', 'viewer'] as const;
export type Role = (typeof roles)[number];

export const role = z.enum(roles, 'must be owner, admin or viewer').openapi({
  description:
    '`owner`: everything, application keys and regions included; `admin`: everything else; `viewer`: reading.',
});

/** Who makes a request: an application key that was found valid, or a person who is signed in. */
export interface Actor {
  id: string;
  name: string;
  /** The person behind it: who is signed in, or whose application key it is. Null for a key of nobody's. */
  userId: string | null;
  role: Role;
  /** What the role is in: a tenant, or (null) the platform. */
  tenantId: string | null;
  /** When the person signed in, who is there by a session; undefined of an application key. Milliseconds since 1970. */
  signedInAtMs?: number;
}

/** Of two roles the one that may do less. */
export function lesserRole(a: Role, b: Role): Role {
  return roles.indexOf(a) > roles.indexOf(b) ? a : b;
}
