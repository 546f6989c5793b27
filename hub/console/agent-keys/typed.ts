import type { Form } from '../../http/form.ts';
import { touched } from '../parts/edit.ts';
import type { Typed } from '../parts/merge.ts';
import { asTime, toField } from '../parts/times.ts';
import type { KeyView } from './keys.ts';

/** An agent key as the fields of its form. Times are UTC, to the minute. */
export const keyFields = ['name', 'expiresAt', 'permissions', 'networks', 'limit', 'windowSeconds'] as const;

export function typedFrom({ name, expiresAt, permissions, allowedNetworks, rateLimit }: KeyView): Typed {
  return {
    name,
    expiresAt: toField(expiresAt),
    permissions: permissions.join(' '),
    networks: allowedNetworks?.join('\n') ?? '',
    limit: rateLimit ? String(rateLimit.limit) : '',
    windowSeconds: rateLimit ? String(rateLimit.windowMs / 1000) : '',
  };
}

export function typedIn(form: Form): Typed {
  return Object.fromEntries(keyFields.map((name) => [name, form.get(name).replaceAll('\r\n', '\n').trim()]));
}

/** What of it was touched, as the API takes it: an expiry that is over may stay, but not be sent again. */
export function toBody(typed: Typed, given: Typed = {}): Record<string, unknown> {
  const at = (name: (typeof keyFields)[number]) => typed[name] ?? '';
  const list = (name: 'permissions' | 'networks') =>
    at(name)
      .split(/[\s,]+/)
      .filter(Boolean);
  const is = (...names: (typeof keyFields)[number][]) => touched(typed, given, names);
  const networks = list('networks');
  const rated = at('limit') !== '' || at('windowSeconds') !== '';
  const rate = { limit: Number(at('limit')), windowMs: Number(at('windowSeconds')) * 1000 };
  return {
    ...(is('name') ? { name: at('name') } : {}),
    ...(is('expiresAt') ? { expiresAt: at('expiresAt') === '' ? null : asTime(at('expiresAt')) } : {}),
    ...(is('permissions') ? { permissions: list('permissions') } : {}),
    ...(is('networks') ? { allowedNetworks: networks.length === 0 ? null : networks } : {}),
    ...(is('limit', 'windowSeconds') ? { rateLimit: rated ? rate : null } : {}),
  };
}

/** The form's field that a pointer into the body is about. */
export function fieldOf(pointer: string): string | undefined {
  if (pointer.startsWith('/rateLimit')) return pointer.endsWith('windowMs') ? 'windowSeconds' : 'limit';
  const name = /^\/(\w+)/.exec(pointer)?.[1];
  return name === 'allowedNetworks' ? 'networks' : name;
}
