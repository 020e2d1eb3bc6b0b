import { element, escapeText, type Markup } from '../../explain/svg.ts';

export function heading(title: string): Markup {
  return element('h3', {}, escapeText(title));
}

export function paragraph(says: string): Markup {
  return element('p', {}, escapeText(says));
}

export function number(value: string | number): Markup {
  return element('td', { class: 'n' }, escapeText(String(value)));
}

export function table(heads: readonly string[], rows: readonly (readonly Markup[])[]): Markup {
  const head = element('tr', {}, ...heads.map((name) => element('th', {}, escapeText(name))));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows.map((row) => element('tr', {}, ...row))));
}
