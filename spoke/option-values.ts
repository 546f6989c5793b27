import { z } from 'zod';
import { value } from '../contexts/base/options.ts';
import { parseNetwork } from '../contexts/networks.ts';
import { parseKeys } from './snapshot/keys.ts';

/** The keys of snapshots, the one that signs first. */
export const snapshotKeys = z.string().transform((text, context) => {
  const keys = parseKeys(text);
  if (keys !== undefined) return keys;
  context.addIssue({
    code: 'custom',
    message: 'must be 32 bytes in hex (64 digits) or base64 (44 characters)',
  });
  return z.NEVER;
});
export const milliseconds = (least = 1, most = 86_400_000) => value.integer(least, most);

/** `off`, or a share of what there is: `0.01`, `1`. */
export const shareOrOff = z.string().transform((text, issues): 'off' | number => {
  if (text === 'off') return 'off';
  const share = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (share >= 0 && share <= 1) return share;
  issues.addIssue({ code: 'custom', message: 'must be off, or a share from 0 to 1 such as 0.01' });
  return z.NEVER;
});

/** `10.0.0.0/8,192.0.2.1,fd00::/8`, or `none`: networks as `NetworkList` takes them. */
export const networkTexts = z.string().transform((text, issues): readonly string[] => {
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    const parsed = parseNetwork(part.trim());
    if (parsed.outcome === 'network') return parsed.canonical;
    issues.addIssue({ code: 'custom', message: `${JSON.stringify(part.trim())} ${parsed.problem}` });
    return z.NEVER;
  });
});
