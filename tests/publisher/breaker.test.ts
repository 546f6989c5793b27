import { expect, test, vi } from 'vitest';
import { StoreError, type StoreErrorCode } from '../../contexts/store.ts';
import { Breaker } from '../../publisher/breaker.ts';

function breakerOf3() {
  const onOpen = vi.fn();
  const breaker = new Breaker({ failuresMax: 3, onOpen });
  const fail = (code: StoreErrorCode = 'STORE_UNAVAILABLE') =>
    breaker.run(() => Promise.reject(new StoreError(code, code))).catch((error: unknown) => error);
  const succeed = () => breaker.run(async () => 'answer');
  return { breaker, onOpen, fail, succeed };
}

test('[law 4] opens after so many failures in a row, says so once, and then costs nothing', async () => {
  const { breaker, onOpen, fail } = breakerOf3();
  await fail();
  await fail('STORE_THROTTLED');
  expect(breaker.isOpen).toBe(false);
  await fail('STORE_NOT_INITIALISED');
  expect(breaker.isOpen).toBe(true);
  expect(onOpen).toHaveBeenCalledTimes(1);

  const call = vi.fn();
  await expect(breaker.run(call)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(call).not.toHaveBeenCalled();
});

test('a success in between starts the count again', async () => {
  const { breaker, fail, succeed } = breakerOf3();
  await fail();
  await fail();
  await expect(succeed()).resolves.toBe('answer');
  await fail();
  await fail();
  expect(breaker.isOpen).toBe(false);
});

test.each<StoreErrorCode>(['STORE_REFUSED', 'STORE_FOREIGN'])('%s is no sign of ill health', async (code) => {
  const { breaker, fail } = breakerOf3();
  for (let n = 0; n < 10; n++) await fail(code);
  expect(breaker.isOpen).toBe(false);
});

test("neither is an error that is not the store's", async () => {
  const { breaker } = breakerOf3();
  for (let n = 0; n < 10; n++)
    await breaker.run(() => Promise.reject(new TypeError('a mistake'))).catch(() => {});
  expect(breaker.isOpen).toBe(false);
});

test('a call that was under way when it opened does not close it; a probe does', async () => {
  const { breaker, onOpen, fail, succeed } = breakerOf3();
  let answer!: (value: string) => void;
  const underWay = breaker.run(() => new Promise<string>((resolve) => (answer = resolve)));
  for (let n = 0; n < 3; n++) await fail();
  answer('late');
  await expect(underWay).resolves.toBe('late');
  expect(breaker.isOpen).toBe(true);

  breaker.close();
  await expect(succeed()).resolves.toBe('answer');
  for (let n = 0; n < 3; n++) await fail();
  expect(onOpen).toHaveBeenCalledTimes(2);
});
