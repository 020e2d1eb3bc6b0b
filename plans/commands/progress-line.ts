/** A line on stderr that is overwritten; no output when stderr is not a terminal. */
export function progressLine(): { show(message: string): void; clear(): void } {
  const out = process.stderr;
  if (!out.isTTY) return { show: () => undefined, clear: () => undefined };
  return {
    show: (message) => out.write(`\r\x1b[2K${message.slice(0, Math.max(10, (out.columns ?? 80) - 1))}`),
    clear: () => out.write('\r\x1b[2K'),
  };
}
