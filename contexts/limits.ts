/** Bounds every part of Spokecast shares. Each is enforced where data enters, not only where it is stored. */
export const limits = {
  /** Bytes of a context's body as JSON. DynamoDB refuses items over 400 KB; a context is meant to be small. */
  bodyBytesMax: 64 * 1024,
  /** Characters of a context's key: `[a-z0-9_.:-]`. */
  keyLengthMax: 128,
  /** Contexts a refresh job, a feed entry or a batch read names at the most. */
  batchMax: 100,
  /** Partitions a kind is spread over in a new table; afterwards the table's identity item rules. */
  shardsDefault: 8,
  shardsMax: 256,
} as const;
