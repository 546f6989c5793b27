import { z } from 'zod';

const positionSchema = z.object({
  incarnation: z.string(),
  feedIncarnation: z.string(),
  number: z.number().int().nonnegative(),
});

/** A place in a region's feed, and in which incarnations of table and feed. */
export type Position = z.infer<typeof positionSchema>;

/** Every announcement up to `position` is applied in what was written before; nothing was missed as of `atMs`. */
const markSchema = z.object({ atMs: z.number(), position: positionSchema });
export type Mark = z.infer<typeof markSchema>;

/**
 * The first frame of a snapshot and of a journal: whose it is, and what it says. In clear, so that a person can read
 * it with `head -c 600`; signed like the rest.
 */
const headerSchema = z.object({
  is: z.enum(['snapshot', 'journal']),
  /** Of a journal: its own. Of a snapshot: the first journal that goes on from it. */
  journal: z.number().int().positive(),
  environment: z.string(),
  region: z.string(),
  hubId: z.string(),
  /** The build that wrote it, for people. */
  build: z.string(),
  encrypted: z.boolean(),
  fileId: z.string().regex(/^[0-9a-f]{32}$/),
  /** Taken before the first record was: a snapshot holds all of it, a journal goes on from it. */
  mark: markSchema,
});

export type Header = z.infer<typeof headerSchema>;

export function encodeHeader(header: Header): Buffer {
  return Buffer.from(`${JSON.stringify(header)}\n`);
}

export function decodeHeader(payload: Buffer): Header | undefined {
  return headerSchema.safeParse(parsed(payload)).data;
}

export function encodeMark(mark: Mark): Buffer {
  return Buffer.from(JSON.stringify(mark));
}

export function decodeMark(payload: Buffer): Mark | undefined {
  return markSchema.safeParse(parsed(payload)).data;
}

function parsed(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return undefined;
  }
}
