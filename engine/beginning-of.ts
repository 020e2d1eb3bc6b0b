/**
 * The first `most` characters of a text, well formed: half of an emoji, which a cut or a client may leave, cannot be written as UTF-8,
 * and `encodeURI` throws on it.
 */
export function beginningOf(text: string, most: number): string {
  return text.slice(0, most).toWellFormed();
}
