import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { fail } from '../http/problems.ts';
import type { Page } from './page.ts';

/**
 * What pages load: our style sheet and script, and libraries as they are installed. Their paths have a hash of their
 * content, so browsers keep them for good and never use an old one with a new page.
 */
export interface ServedFile {
  path: string;
  type: string;
  content: Buffer;
}

const { resolve } = createRequire(import.meta.url);
const css = 'text/css; charset=utf-8';
const script = 'text/javascript; charset=utf-8';

export const files = {
  style: served('console.css', css, fileURLToPath(new URL('./assets/console.css', import.meta.url))),
  script: served('console.js', script, fileURLToPath(new URL('./assets/console.js', import.meta.url))),
  htmx: served('htmx.js', script, resolve('htmx.org/dist/htmx.min.js')),
  plot: served('uplot.js', script, resolve('uplot/dist/uPlot.iife.min.js')),
  plotStyle: served('uplot.css', css, resolve('uplot/dist/uPlot.min.css')),
};

function served(name: string, type: string, file: string): ServedFile {
  const content = readFileSync(file);
  const [stem, ending] = name.split('.');
  return { path: `/assets/${stem}.${hash('sha256', content, 'hex').slice(0, 16)}.${ending}`, type, content };
}

/** A path of an older build is not found: its pages load new ones when they are loaded anew. */
export const servedFile: Page = {
  method: 'GET',
  path: '/assets/{file}',
  async handle({ url }) {
    const found = Object.values(files).find((file) => file.path === url.pathname);
    const { content, type } = found ?? fail('NOT_FOUND');
    return new Response(new Uint8Array(content), {
      headers: { 'content-type': type, 'cache-control': 'public, max-age=31536000, immutable' },
    });
  },
};
