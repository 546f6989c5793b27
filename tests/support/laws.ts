/**
 * The laws of the design and how many tests of each must at least run in a whole run of the suite. A test of a
 * law carries `[law N]` in its title or its suite's. They are what runs on a fresh machine, without Redis and without
 * root. Raise a number when you add tests; lowering one says that a
 * law is watched less, and wants a reason in the change's message.
 */
export const laws: Readonly<Record<number, { name: string; testsMin: number }>> = {
  1: { name: 'Nothing forgets', testsMin: 176 },
  2: { name: 'Nothing goes back', testsMin: 111 },
  3: { name: 'Everything converges', testsMin: 136 },
  4: { name: 'No region waits for another', testsMin: 19 },
  5: { name: 'Spokes stand alone', testsMin: 10 },
  6: { name: 'Fresh within a second', testsMin: 68 },
  7: { name: 'Stale beats down', testsMin: 22 },
  8: { name: 'Everything is bounded', testsMin: 50 },
  9: { name: 'No mass death', testsMin: 71 },
  10: { name: 'Secrets stay home', testsMin: 14 },
};

/** The laws a test's full name claims to check. */
export function lawsIn(fullName: string): number[] {
  const numbers = [...fullName.matchAll(/\[law (\d+)\]/g)].map((match) => Number(match[1]));
  return [...new Set(numbers)];
}

/** One sentence for every law of which too few tests ran, and for tags that name no law. */
export function lawShortfalls(executedNames: readonly string[]): string[] {
  const executed = new Map<number, number>();
  for (const law of executedNames.flatMap(lawsIn)) executed.set(law, (executed.get(law) ?? 0) + 1);
  const unknown = [...executed.keys()]
    .filter((law) => !(law in laws))
    .map((law) => `[law ${law}] is no law of the design`);
  const short = Object.entries(laws)
    .filter(([law, { testsMin }]) => (executed.get(Number(law)) ?? 0) < testsMin)
    .map(([law, { name, testsMin }]) => {
      const ran = executed.get(Number(law)) ?? 0;
      return `law ${law} (${name}): ${ran} tests ran, at least ${testsMin} must; tag them "[law ${law}]"`;
    });
  return [...unknown, ...short];
}
