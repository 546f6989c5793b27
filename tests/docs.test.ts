import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { hubProblems } from '../hub/http/problems.ts';
import { refusals } from '../spoke/decide.ts';

const pages = ['README.md', ...globSync('docs/**/*.md')];

test('every code has a section in docs/failure-modes.md', () => {
  const sections = new Set(
    [...readFileSync('docs/failure-modes.md', 'utf8').matchAll(/^## (\w+)$/gm)].map((match) => match[1]),
  );
  const codes = new Set([...Object.keys(hubProblems), ...Object.keys(refusals)]);
  const written = /'((?:STORE|SCHEMA|REGION|UPSTREAM)_[A-Z_]+|NO_SUCH_ROUTE|BAD_PATH)'/g;
  for (const file of globSync(['contexts/**/*.ts', 'hub/db/*.ts', 'publisher/**/*.ts', 'spoke/**/*.ts'])) {
    for (const match of readFileSync(file, 'utf8').matchAll(written)) codes.add(match[1]!);
  }
  expect(codes.size).toBeGreaterThan(40);
  expect([...codes].filter((code) => !sections.has(code))).toEqual([]);
});

test('every relative link in the documents leads to a file', () => {
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const path = normalize(join(dirname(page), target!));
      if (globSync(path).length === 0) broken.push(`${page}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
});

test('every option a document names exists', () => {
  const options = readFileSync('docs/reference/options.md', 'utf8');
  const unknown: string[] = [];
  for (const page of pages) {
    for (const [name] of readFileSync(page, 'utf8').matchAll(/SPOKECAST_[A-Z_]+[A-Z]/g)) {
      if (!options.includes(name)) unknown.push(`${page}: ${name}`);
    }
  }
  expect(unknown).toEqual([]);
});
