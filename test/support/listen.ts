import type { Bus, BusMessage, ListenOptions } from '../../engine/bus/bus.ts';
import { text } from './bytes.ts';

export interface Heard {
  readonly messages: BusMessage[];
  /** The bodies as text, copied during delivery. */
  readonly texts: string[];
  /** 'complete', or the error. */
  ended: unknown;
}

/** Records everything that a subscription receives; subscribed once this resolves. */
export async function listen(bus: Bus, subject: string, options?: ListenOptions): Promise<Heard> {
  const heard: Heard = { messages: [], texts: [], ended: undefined };
  bus.messages$(subject, options).subscribe({
    next: (message) => {
      heard.messages.push(message);
      heard.texts.push(text(message.data));
    },
    error: (error) => {
      heard.ended = error;
    },
    complete: () => {
      heard.ended = 'complete';
    },
  });
  await bus.flush();
  return heard;
}
