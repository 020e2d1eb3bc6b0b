/**
 * Reads a controller's answer.
 * @param clean applied to all strings and names in it, because it is shown in a terminal.
 */
export function readReply<T>(data: Uint8Array, clean: (text: string) => string): T {
  return JSON.parse(Buffer.from(data).toString(), (_, value: unknown) => {
    if (typeof value === 'string') return clean(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [clean(name), each]));
  });
}
