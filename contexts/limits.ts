/** Bounds every part of Spokecast shares. Each is enforced where data enters, not only where it is stored. */
export const limits = {
  /** Bytes of a context's body as JSON. DynamoDB refuses items over 400 KB; a context is meant to be small. */
  bodyBytesMax: 64 * 1024,
  /** Characters of a context's key: `[a-z0-9_.:-]`. */
  keyLengthMax: 128,
  /** Contexts a refresh job, a feed entry or a batch read names at the most. */
  batchMax: 100,
  /** For which a gateway that stopped reporting without a word is waited for. The hub is told it as publishers are. */
  gatewayForgetMsDefault: 900_000,
  /** Agent keys that a gateway names in one word of uses at the most: some 30 KB. */
  keyUsesMax: 1_000,
  /** Words of uses that a gateway leaves unread in its store at the most. */
  keyUsePlaces: 1_000,
  /** Partitions a kind is spread over in a new table; afterwards the table's identity item rules. */
  shardsDefault: 8,
  shardsMax: 256,
} as const;
