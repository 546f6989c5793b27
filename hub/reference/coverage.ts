import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Screen } from '../console/screen.ts';
import { screens } from '../console/screens.ts';
import { routes } from '../routes.ts';

/** Operations that no page of the console is for, and why. One that a page is made for goes from this list. */
export const withoutPage: Readonly<Record<string, string>> = {
  createAgentKeys: 'for programs: people make keys one by one, or write a file for `apply`',
  getSweep: 'the region’s page has all of it, in its list of sweeps',
  getSeeding: 'the region’s page has all of it, while it is seeded and in the list of seedings',
  streamEvents: 'for programs: the page Activity shows the same to people',
  whoAmI: 'for programs: people see who they are on every page, and at `/account`',
};

export interface Coverage {
  operationId: string;
  call: string;
  /** Of pages, or of what their forms are sent to. */
  pages: readonly string[];
}

/** On which pages of the console people use each operation of the API: read from the sources of those pages. */
export async function coverage(): Promise<Coverage[]> {
  const sources = await consoleSources();
  return routes.map(({ operationId, method, path }) => ({
    operationId,
    call: `${method} ${path}`,
    pages: pagesOf(operationId, method, sources),
  }));
}

interface Source {
  file: string;
  text: string;
  screens: readonly Screen[];
}

async function consoleSources(): Promise<Source[]> {
  const root = fileURLToPath(new URL('../console/', import.meta.url));
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const known = new Set<unknown>(screens);
  return Promise.all(
    names.map(async (file) => {
      const exported: object = await import(`${root}${file}`);
      const own = Object.values(exported).filter((each): each is Screen => known.has(each));
      return { file, text: readFileSync(`${root}${file}`, 'utf8'), screens: own };
    }),
  );
}

/** The pages whose files name the route; of a file that has no page, those of the files that import it. */
function pagesOf(route: string, method: string, sources: readonly Source[]): string[] {
  const names = new RegExp(`\\b${route}\\b`);
  const naming = sources.filter(({ file, text }) => file !== 'screens.ts' && names.test(text));
  const homes = naming.flatMap((source) =>
    source.screens.length > 0 ? [source] : sources.filter((other) => imports(other, source)),
  );
  const chosen = homes.flatMap(({ screens }) => {
    const fitting = screens.filter((screen) => (screen.method === 'GET') === (method === 'GET'));
    const direct = fitting.filter((screen) => names.test(String(screen.handle)));
    return direct.length > 0 ? direct : fitting.length > 0 ? fitting : screens;
  });
  return [...new Set(chosen.map(({ path }) => path))].sort();
}

function imports(source: Source, imported: Source): boolean {
  const name = imported.file.split('/').at(-1)!;
  return (
    source.screens.length > 0 && new RegExp(`from '[^']*/${name.replaceAll('.', '\\.')}'`).test(source.text)
  );
}
