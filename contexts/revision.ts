import { assert } from './base/assert.ts';

/**
 * The order of all writes of one context (law 2): by epoch, then revision, then schema version.
 *
 * A version is written as one string whose byte order is that order, so that a store needs a single comparison
 * to refuse an older write, and a person can read it:
 *
 *     { epoch: 1, revision: 42, schemaVersion: 1 }   <->   '000001.0000000000000042.0001'
 *     { epoch: 2, revision: 7,  schemaVersion: 1 }   <->   '000002.0000000000000007.0001'   (newer: epoch first)
 *
 * Fixed widths bound each part: epoch to 999,999, revision to 2^53 - 1 (16 digits; a Postgres bigint beyond that
 * is refused, at a million changes a second it is 285 years away), schema version to 9,999.
 */
export interface Version {
  epoch: number;
  revision: number;
  schemaVersion: number;
}

/** A {@link Version} in its written form. Compare with `<`, `>` and `===`. */
export type VersionText = string & { readonly versionText: unique symbol };

export const epochMax = 999_999;
export const schemaVersionMax = 9_999;

const pattern = /^(\d{6})\.(\d{16})\.(\d{4})$/;

export function encodeVersion(version: Version): VersionText {
  const { epoch, revision, schemaVersion } = version;
  const parts = [
    padded('epoch', epoch, epochMax, 6),
    padded('revision', revision, Number.MAX_SAFE_INTEGER, 16),
    padded('schema version', schemaVersion, schemaVersionMax, 4),
  ];
  return parts.join('.') as VersionText;
}

function padded(name: string, value: number, most: number, digits: number): string {
  // The sentence is made only where it is told: sweeps encode millions.
  if (!(Number.isInteger(value) && value >= 1 && value <= most))
    assert(false, `${name} ${value} is out of range`);
  return String(value).padStart(digits, '0');
}

/** The version that `text` stands for, or `undefined` where it is none (it came from outside: never throws). */
export function decodeVersion(text: unknown): Version | undefined {
  if (typeof text !== 'string') return undefined;
  const match = pattern.exec(text);
  if (!match) return undefined;
  const version = { epoch: Number(match[1]), revision: Number(match[2]), schemaVersion: Number(match[3]) };
  const inRange = version.epoch >= 1 && version.schemaVersion >= 1 && version.revision >= 1;
  return inRange && Number.isSafeInteger(version.revision) ? version : undefined;
}

/** Whether `a` outranks `b`. */
export function isNewer(a: VersionText, b: VersionText): boolean {
  return a > b;
}
