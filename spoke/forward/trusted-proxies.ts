import { isIP } from 'node:net';
import { z } from 'zod';
import { familyOf, type TrustedProxies } from './hop.ts';

/** `10.0.0.0/8,192.0.2.1,fd00::/8`, or `none`. */
export const networks = z.string().transform((text, issues): TrustedProxies => {
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    const [address = '', prefixText] = part.trim().split('/');
    const family = familyOf(address);
    const most = family === 'ipv4' ? 32 : 128;
    const prefix = prefixText === undefined ? most : Number(prefixText);
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(prefixText ?? '0') || prefix > most)
      issues.addIssue({
        code: 'custom',
        message: `${JSON.stringify(part)} is no network such as 10.0.0.0/8`,
      });
    return { address, prefix, family };
  });
});
