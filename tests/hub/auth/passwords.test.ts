import { expect, test } from 'vitest';
import { type PasswordCheck, Passwords, passwordFault } from '../../../hub/auth/passwords.ts';

const make = (atOnceMax: number) => {
  const checked: PasswordCheck[] = [];
  const passwords = new Passwords({ atOnceMax, onCheck: (outcome) => checked.push(outcome) });
  return { passwords, checked };
};

test('a password is known by its hash, however its letters are composed; no other is', async () => {
  const { passwords, checked } = make(2);
  const stored = await passwords.hash('Zürich bei Nacht, im Regen');
  expect(await passwords.check('Zu\u0308rich bei Nacht, im Regen', stored)).toBe('right');
  expect(await passwords.check('Zürich bei Nacht, im Regen ', stored)).toBe('wrong');
  expect(await passwords.check('anything', null)).toBe('no-password');
  expect(checked).toEqual(['right', 'wrong', 'wrong']);
});

test('a hash by weaker parameters still opens, and says that it is weak', async () => {
  const weak =
    '$argon2id$v=19$m=4096,t=1,p=1$FgRfFcBZV2cJiiRy5UsZpg$BilBRiSkEUCM1uNFrCP7+NdcEXokgT3AK34Or+eVVNM';
  const { passwords } = make(1);
  expect(await passwords.check('an old but good password', weak)).toBe('right-but-weak-hash');
});

test('few are hashed at once, some wait, and more are refused; afterwards all is as before', async () => {
  const { passwords, checked } = make(1);
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => passwords.check('x', null)));
  const refused = results.filter(({ status }) => status === 'rejected');
  expect([refused.length, checked.length]).toEqual([11, 9]);
  expect(refused[0]).toMatchObject({ reason: { code: 'OVERLOADED' } });
  expect(await passwords.check('x', null)).toBe('no-password');
});

test('a text beyond every bound costs one hash, and is no password', async () => {
  const { passwords } = make(1);
  const stored = await passwords.hash('');
  expect(await passwords.check('y'.repeat(60_000), stored)).toBe('wrong');
});

test.each([
  ['fourteen chars', 'at least 15'],
  ['ann@example.com', 'email address'],
  ['aaaaabbbbbccccc', 'same few characters'],
  ['four common words here', undefined],
  ['💚'.repeat(20), 'same few characters'],
])('%j: %s', (password, fault) => {
  const found = passwordFault(password, 'ann@example.com');
  if (fault === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(fault);
});
