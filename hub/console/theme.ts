import { ownPath, type Page, seeOther } from './page.ts';
import type { Theme } from './screen.ts';

/** The colours somebody chose in this browser; by default the browser's own. */
export function themeOf(request: Request): Theme {
  const [, chosen] =
    /(?:^|;\s*)spokecast-theme=(light|dark)\b/.exec(request.headers.get('cookie') ?? '') ?? [];
  return (chosen as Theme | undefined) ?? 'auto';
}

/** Keeps the choice for a year and goes back. The script reads it too, where a page does not know it. */
export const themeChoice: Page = {
  method: 'POST',
  path: '/theme',
  async handle({ form }) {
    const wanted = form.get('theme');
    const theme = wanted === 'light' || wanted === 'dark' ? wanted : 'auto';
    const keptFor = theme === 'auto' ? 0 : 365 * 86_400;
    const cookie = `spokecast-theme=${theme}; Path=/; Max-Age=${keptFor}; SameSite=Lax`;
    return seeOther(ownPath(form.get('back'), '/'), cookie);
  },
};
