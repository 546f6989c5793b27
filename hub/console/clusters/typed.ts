import type { z } from 'zod';
import type { Cluster } from '../../api/clusters/cluster.ts';
import type { Form } from '../../http/form.ts';
import { parseJson } from '../../http/json.ts';
import type { Typed } from '../parts/merge.ts';

export type ClusterView = z.infer<typeof Cluster>;

/**
 * A cluster as the fields of its form. Of a region `r` there are `region.r` (placed there or not) and what replaces the
 * cluster's own values there: `upstreamUrl.r`, `upstreams.r`, `settings.r`.
 */
export const clusterFields = ['tenantId', 'name', 'upstreamUrl', 'upstreams', 'settings'] as const;
const overrides = ['upstreamUrl', 'upstreams', 'settings'] as const;

export function typedFrom(cluster: ClusterView, regions: readonly string[]): Typed {
  const { tenantId, name, upstreamUrl } = cluster;
  const placed = new Map(
    cluster.placements.map((placement) => [placement.region, placement.overrides ?? {}]),
  );
  return {
    ...{ tenantId, name, upstreamUrl },
    upstreams: toText(cluster.upstreams),
    settings: toText(Object.keys(cluster.settings).length === 0 ? null : cluster.settings),
    ...Object.fromEntries(
      regions.flatMap((region) => {
        const own: Record<string, unknown> = placed.get(region) ?? {};
        return [
          [`region.${region}`, placed.has(region) ? 'on' : ''],
          ...overrides.map((field) => [`${field}.${region}`, toText(own[field])]),
        ];
      }),
    ),
  };
}

export function typedIn(form: Form, regions: readonly string[]): Typed {
  const names = [
    ...clusterFields,
    ...regions.flatMap((region) => ['region', ...overrides].map((field) => `${field}.${region}`)),
  ];
  return Object.fromEntries(names.map((name) => [name, form.get(name).replaceAll('\r\n', '\n').trim()]));
}

export interface ClusterBody {
  name: string;
  upstreamUrl: string;
  upstreams: unknown;
  settings: unknown;
  placements: { region: string; overrides?: Record<string, unknown> }[];
}

/** What to send, and what of it is not even JSON, by the field's name. */
export function toBody(
  typed: Typed,
  regions: readonly string[],
): { body: ClusterBody; errors: { pointer: string; detail: string }[] } {
  const errors: { pointer: string; detail: string }[] = [];
  const json = (field: string, empty: unknown) => {
    const text = typed[field] ?? '';
    if (text === '') return empty;
    const parsed = parseJson(text);
    if (parsed.outcome === 'parsed') return parsed.value;
    const where = parsed.outcome === 'malformed' ? ` (line ${parsed.line}, column ${parsed.column})` : '';
    errors.push({ pointer: `/${field}`, detail: `is not JSON that can be stored${where}` });
    return empty;
  };
  const placements = regions
    .filter((region) => typed[`region.${region}`] !== '')
    .map((region) => {
      const own = {
        upstreamUrl: typed[`upstreamUrl.${region}`] || undefined,
        upstreams: json(`upstreams.${region}`, undefined),
        settings: json(`settings.${region}`, undefined),
      };
      const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
      return { region, ...(Object.keys(given).length > 0 ? { overrides: given } : {}) };
    });
  const { name = '', upstreamUrl = '' } = typed;
  const body = {
    name,
    upstreamUrl,
    upstreams: json('upstreams', null),
    settings: json('settings', {}),
    placements,
  };
  return { body, errors };
}

/** The form's field that a pointer into the body is about. */
export function fieldOf(body: ClusterBody): (pointer: string) => string | undefined {
  return (pointer) => {
    const [, first = '', index = '', , field] = pointer.split('/');
    if (first !== 'placements') return first === '' ? undefined : first;
    const region = body.placements[Number(index)]?.region;
    if (index === '' || region === undefined) return 'placements';
    return `${field ?? 'region'}.${region}`;
  };
}

export function labelOf(field: string): string {
  const [name = '', region] = field.split(/\.(.*)/s);
  const label =
    { name: 'Name', upstreamUrl: 'Upstream URL', upstreams: 'Several upstreams', settings: 'Settings' }[
      name
    ] ?? name;
  if (region === undefined) return label;
  return name === 'region' ? `Placed in ${region}` : `${label} in ${region}`;
}

function toText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}
