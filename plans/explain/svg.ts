/** SVG and HTML as text: elements with escaped attributes and texts, nothing else. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Markup that is already escaped. */
export type Markup = string;

export function element(name: string, attributes: Attributes = {}, ...children: readonly Markup[]): Markup {
  const written = Object.entries(attributes).map(([key, value]) =>
    value === undefined ? '' : ` ${key}="${escapeText(typeof value === 'number' ? short(value) : value)}"`,
  );
  const opening = `<${name}${written.join('')}`;
  return children.length === 0 ? `${opening}/>` : `${opening}>${children.join('')}</${name}>`;
}

export function escapeText(text: string): Markup {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): Markup {
  return element('text', { x, y, ...attributes }, escapeText(content));
}

/** Text that a browser shows when the pointer rests on the enclosing element. */
export function tooltip(content: string): Markup {
  return element('title', {}, escapeText(content));
}

export function polyline(points: readonly (readonly [x: number, y: number])[], attributes: Attributes): Markup {
  return element('polyline', {
    points: points.map(([x, y]) => `${short(x)},${short(y)}`).join(' '),
    fill: 'none',
    ...attributes,
  });
}

/** Hundredths of a pixel are enough. */
function short(value: number): string {
  return String(Number(value.toFixed(2)));
}
