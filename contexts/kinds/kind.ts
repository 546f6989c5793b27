import type { z } from 'zod';

/**
 * What a kind of context is. One file a kind beside this one; docs/adding-a-context.md is the procedure.
 *
 * The schema is the wire: gateways of an older build read what a newer publisher writes and the other way round.
 * So objects are *loose on reading* (unknown fields pass through and are ignored) and every change of the schema
 * is a new `schemaVersion`; tests/contexts/wire-lock.test.ts fails until that is done.
 */
export interface Kind<Name extends string, Body> {
  readonly name: Name;
  readonly schemaVersion: number;
  readonly schema: z.ZodObject & z.ZodType<Body>;
  /**
   * Whether a context of this content lets nobody through at that time. Asked also of content that breaks the schema,
   * field by field: what is not known to deny does not.
   */
  denies(body: Partial<Record<keyof Body, unknown>>, nowMs: number): boolean;
  /**
   * The moment (milliseconds since the Unix epoch) from which such content denies by the clock alone; undefined for
   * never. Asked also of content that breaks the schema. Kinds that do not expire have none.
   */
  endsAtMs?(body: Partial<Record<keyof Body, unknown>>): number | undefined;
  /** Content that denies, to take its fields from where those of a context that denies break the schema. */
  readonly denial: Body;
}

export function defineKind<const Name extends string, Body>(kind: Kind<Name, Body>): Kind<Name, Body> {
  return kind;
}
