import type postgres from 'postgres';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { type IdOf, newId } from '../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../contexts/secrets.ts';
import type { Credential } from './answers.ts';

const tenantCount = 3;
const clustersPerTenant = 2;
const keysPerCluster = 4;
const credentialsMax = 60;

/**
 * What there is to change: a few tenants, clusters and keys whose ids and secrets are known, so that everything
 * happens again and again to each, and keys that the API makes on the way.
 */
export class Platform {
  readonly regions: readonly string[];
  readonly tenants: readonly { id: string }[];
  readonly clusters: readonly PlatformCluster[];
  readonly credentials: Credential[] = [];
  #names = 0;

  constructor(regions: readonly string[]) {
    this.regions = regions;
    this.tenants = times(tenantCount, () => ({ id: mintId('tenant') }));
    this.clusters = this.tenants.flatMap((tenant, n) =>
      times(clustersPerTenant, (m) => ({
        id: mintId('cluster'),
        tenantId: tenant.id,
        // Of the last tenant's clusters, none stays where it is: so the tenant itself comes and goes.
        moves: n === tenantCount - 1 || (n === 0 && m === 1),
      })),
    );
    for (const cluster of this.clusters) {
      for (let n = 0; n < keysPerCluster; n++) {
        const keyId = mintId('agentKey');
        this.learn(newSecret('agentKey', keyId, systemRandom), keyId, cluster);
      }
    }
  }

  /** Somebody was given a key. */
  learn(secret: string, keyId: string, { id: clusterId, tenantId, moves }: PlatformCluster): void {
    if (this.isFull) return;
    this.credentials.push({ secret, verifier: verifierOf(secret), keyId, clusterId, tenantId, moves });
  }

  /** No more keys are taken on: every one of them is asked about all the time. */
  get isFull(): boolean {
    return this.credentials.length >= credentialsMax;
  }

  /** A name or a permission that nothing had before, so that every state of a thing can be told from all others. */
  unique(prefix: string): string {
    return `${prefix}-${++this.#names}`;
  }

  async seed(sql: postgres.Sql): Promise<void> {
    await sql.begin(async (tx) => {
      for (const { id } of this.tenants)
        await tx`insert into tenants (id, name) values (${id}, ${this.unique('tenant')})`;
      for (const { id, tenantId } of this.clusters) {
        await tx`
          insert into clusters (id, tenant_id, name, upstream_url)
          values (${id}, ${tenantId}, ${this.unique('cluster')}, 'http://127.0.0.1:9/')`;
        for (const region of this.regions)
          await tx`insert into placements (cluster_id, region) values (${id}, ${region})`;
      }
      for (const { keyId, clusterId, verifier } of this.credentials)
        await tx`
          insert into agent_keys (id, cluster_id, name, verifier, permissions)
          values (${keyId}, ${clusterId}, 'soak', ${verifier}, ${[this.unique('n')]})`;
    });
  }
}

export interface PlatformCluster {
  id: string;
  tenantId: string;
  /** Its placements change; those of the others never do. */
  moves: boolean;
}

export function mintId(of: IdOf): string {
  return newId(of, systemClock, systemRandom);
}

function times<Item>(count: number, make: (n: number) => Item): Item[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
