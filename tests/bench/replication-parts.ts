/** What `bench replication` measures beside unchanged sweeps. A file of its own: naming them loads nothing. */
export const replicationParts = ['drift', 'seeding', 'throughput', 'suspension', 'latency'] as const;
export type ReplicationPart = (typeof replicationParts)[number];
