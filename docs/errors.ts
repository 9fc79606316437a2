/** `npm run docs`: writes `errors.md` from the table of errors, under the headings that the table has as comments. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS, type ErrorCode, type ErrorEntry } from '../core/index.ts';

export const page = join(import.meta.dirname, 'errors.md');
const TABLE = join(import.meta.dirname, '../core/errors.ts');

const BEGINNING = `# Errors

Every failure that a user, a record or a client of the proxy can see has a code. On the command line it is told as
\`file:line:column: message [code] remedy\`, in \`flows.jsonl\` it is \`error.code\`, and a client that is answered in the
server's place gets the HTTP status that is named here (502 where none is). \`{…}\` stands for what the case at hand fills in.

This page is made from \`core/errors.ts\` by \`npm run docs\`.
`;

export function errorsPage(): string {
  return BEGINNING + sections().map(({ title, codes }) => `\n## ${title}\n\n| Code | Status | What happened | What to do |\n|---|---|---|---|\n${codes.map(row).join('')}`).join('');
}

interface Section {
  readonly title: string;
  readonly codes: ErrorCode[];
}

function sections(): Section[] {
  const found: Section[] = [];
  for (const line of readFileSync(TABLE, 'utf8').split('\n')) {
    const title = /^ {2}\/\/ (.+?)\.?$/.exec(line)?.[1];
    const code = /^ {2}(\w+): \{$/.exec(line)?.[1];
    if (title !== undefined) found.push({ title, codes: [] });
    if (code !== undefined && Object.hasOwn(ERRORS, code)) found.at(-1)!.codes.push(code as ErrorCode);
  }
  return found;
}

function row(code: ErrorCode): string {
  const { message, remedy, status } = ERRORS[code] as ErrorEntry;
  return `| \`${code}\` | ${status ?? ''} | ${cell(message)} | ${cell(remedy)} |\n`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*').replace(/\s*\n\s*/g, ' ');
}

if (import.meta.main) writeFileSync(page, errorsPage());
