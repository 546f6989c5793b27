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
  role: Role;
  /** What the role is in: a tenant, or (null) the platform. */
  tenantId: string | null;
}
