import type { KindName } from '../../contexts/kinds/index.ts';
import type { Draft } from '../../hub/db/builders/index.ts';

type Page = Promise<readonly Draft[] | undefined>;

/**
 * What the hub drafts of a kind, page by page. Two pages are asked for ahead of the one that is compared, each as soon
 * as the one before it tells where it begins.
 */
export async function* pagesAhead(
  range: (kind: KindName, after: string, limit: number) => Promise<readonly Draft[]>,
  kind: KindName,
  pageRows: number,
): AsyncGenerator<readonly Draft[]> {
  const behind = (previous: Page): Page => {
    const next = previous.then((page) => {
      const last = page?.length === pageRows ? page.at(-1) : undefined;
      return last && range(kind, last.key, pageRows);
    });
    next.catch(() => {}); // it is awaited later, or never where the sweep stops before
    return next;
  };
  let ahead: Page = range(kind, '', pageRows);
  let afterwards = behind(ahead);
  for (let page = await ahead; page; page = await ahead) {
    [ahead, afterwards] = [afterwards, behind(afterwards)];
    yield page;
  }
}
