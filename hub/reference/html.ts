import { html, raw } from 'hono/html';
import type { ApiDocument } from './document.ts';
import { type Field, type Operation, outline, type Table } from './outline.ts';

type Html = ReturnType<typeof html>;

/**
 * The page at /docs: the whole API in one static page without a script, so that it works behind a firewall, in a
 * strict content security policy and in a text browser.
 */
export function referencePage(document: ApiDocument): string {
  const { title, version, introduction, chapters, schemas, permissions, problems } = outline(document);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: API</title>
<style>${raw(style)}</style>
</head>
<body>
<nav aria-label="Contents">
<h1>${title} <small>${version}</small></h1>
<p><a href="/">Console</a>, <a href="/openapi.json">openapi.json</a>, <a href="/platform.schema.json">platform.schema.json</a></p>
${chapters.map(({ name, operations }) => html`<h2>${name}</h2><ul>${operations.map((operation) => html`<li><a href="#${anchor(operation)}"><b class="${operation.method}">${operation.method}</b> ${operation.path}</a></li>`)}</ul>`)}
<h2>More</h2><ul><li><a href="#permissions">Who may do what</a></li><li><a href="#problems">Problems</a></li><li><a href="#schemas">Schemas</a></li></ul>
</nav>
<main>
${prose(introduction)}
${chapters.map(({ name, operations }) => html`<section><h2>${name}</h2>${operations.map(operationSection)}</section>`)}
<section id="permissions"><h2>Who may do what</h2><p>The least role that suffices. What is nobody's is 403 for every id; another tenant's things are 404.</p>${table(permissions)}</section>
<section id="problems"><h2>Problems</h2>${table(problems)}</section>
<section id="schemas"><h2>Schemas</h2>${schemas.map(({ name, description, fields }) => html`<h3 id="schema-${name}">${name}</h3>${prose(description)}${fieldTable(fields)}`)}</section>
</main>
</body>
</html>
`;
  return String(page);
}

function operationSection(operation: Operation): Html {
  const { method, path, summary, description, parameters, body, bodyExample, answers } = operation;
  return html`<article id="${anchor(operation)}">
<h3><b class="${method}">${method}</b> ${path}</h3>
<p><strong>${summary}.</strong></p>${prose(description)}
${parameters.length > 0 ? fieldTable(parameters) : ''}
${body ? html`<p>Body: ${typeLink(body)}</p>` : ''}${bodyExample ? html`<pre>${bodyExample}</pre>` : ''}
${table({ head: ['status', 'body', 'when'], rows: answers.map(({ status, content, description }) => [status, content, description]) })}
</article>`;
}

function fieldTable(fields: readonly Field[]): Html {
  return table({
    head: ['name', 'type', 'required', ''],
    rows: fields.map(({ name, type, required, description }) => [
      `\`${name}\``,
      type,
      required ? 'yes' : 'no',
      description,
    ]),
  });
}

function table({ head, rows }: Table): Html {
  return html`<div class="table"><table><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(
    (row) => html`<tr>${row.map((cell) => html`<td>${inline(cell)}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

/** Paragraphs and lists of `- ` lines. */
function prose(text: string): Html[] {
  if (text === '') return [];
  return text.split('\n\n').map((block) => {
    const lines = block.split('\n');
    if (!lines.every((line) => line.startsWith('- '))) return html`<p>${inline(block)}</p>`;
    return html`<ul>${lines.map((line) => html`<li>${inline(line.slice(2))}</li>`)}</ul>`;
  });
}

function inline(text: string): (Html | string)[] {
  return text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));
}

function typeLink(type: string): Html {
  return /^[A-Z]\w+$/.test(type) ? html`<a href="#schema-${type}">${type}</a>` : html`${type}`;
}

function anchor({ method, path }: Operation): string {
  return `${method.toLowerCase()}-${path.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')}`;
}

const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 20rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; border-right: 1px solid var(--line); box-sizing: border-box; }
nav ul { list-style: none; margin: 0; padding: 0; } nav h1 { font-size: 1.1rem; } nav h2 { font-size: .9rem; margin: 1rem 0 .2rem; }
nav a { font: 12px/1.7 ui-monospace, monospace; text-decoration: none; }
main { padding: 1rem 2rem 4rem; max-width: 60rem; }
article { border-top: 1px solid var(--line); padding-top: .5rem; margin-top: 1.5rem; }
h3 { font: 600 1rem ui-monospace, monospace; overflow-wrap: anywhere; }
b { font-size: .85em; } .GET { color: #2a7de1; } .POST { color: #1a9a55; } .PATCH { color: #c47f00; } .DELETE { color: #d43c3c; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
code, pre { font: 13px/1.5 ui-monospace, monospace; background: var(--soft); border-radius: 3px; padding: 0 .2em; } pre { padding: .8rem; overflow-x: auto; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
`;
