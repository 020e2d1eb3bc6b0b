import type { BusMessage } from '../../engine/bus/bus.ts';
import { findHeader } from '../../engine/bus/publish-rules.ts';

/** The characters that the client library of NATS accepts. */
const NAME = /^[!-9;-~]*$/;
const LINE_BREAK = /[\r\n]/;

/** Headers as a receiver sees them. Those that our NATS bus could not send arrive unreadable, as from a foreign client. */
export function receivedHeaders(
  headers: Readonly<Record<string, string>> | undefined,
): Pick<BusMessage, 'header' | 'headersProblem'> {
  for (const name in headers) {
    if (NAME.test(name) && !LINE_BREAK.test(headers[name])) continue;
    return { header: () => undefined, headersProblem: `${JSON.stringify(name)} is not a valid header` };
  }
  return { header: (name) => findHeader(headers, name) };
}
