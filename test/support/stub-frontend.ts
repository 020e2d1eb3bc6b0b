import type { Bus, BusMessage } from '../../engine/bus/bus.ts';
import { CANCEL_HEADER, parseCancellation } from '../../plans/protocol/cancel.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { Cancellation } from '../../plans/protocol/control-messages.ts';
import type { Answer, Result } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';

export interface StubRequest {
  readonly id: string;
  readonly inputs: Record<string, unknown>;
  /** Undefined if the request uses the deployment's default. */
  readonly deadlineMs?: number;
  readonly scores?: boolean;
  readonly message: BusMessage;
  /** Sends answers as one message: alone, or as a frame. */
  answer(...answers: Answer[]): void;
}

export interface StubFrontend {
  readonly requests: StubRequest[];
  readonly cancellations: Cancellation[];
  /** Number of messages received; each may hold several requests. */
  readonly messages: number;
  stop(): void;
}

/** Receives the requests of a deployment and passes them to `handle`, which may answer. Listening once this resolves. */
export async function stubFrontend(bus: Bus, handle: (request: StubRequest) => void, deployment = 'test'): Promise<StubFrontend> {
  const requests: StubRequest[] = [];
  const cancellations: Cancellation[] = [];
  let messages = 0;
  const subscription = bus.messages$(subjectsOf(deployment).infer, { queue: 'frontends' }).subscribe((message) => {
    const cancelled = message.header(CANCEL_HEADER);
    if (cancelled !== undefined) {
      cancellations.push(parseCancellation(cancelled, new Uint8Array(message.data), undefined));
      return;
    }
    messages++;
    const { reply } = message;
    // A copy: inputs are views of the bytes, which are valid only during delivery.
    const body = decode<Omit<StubRequest, 'message' | 'answer'>[] | Omit<StubRequest, 'message' | 'answer'>>(
      new Uint8Array(message.data),
    );
    for (const fields of Array.isArray(body) ? body : [body]) {
      const answer = (...answers: Answer[]): void => void bus.publish(reply, encode(answers.length === 1 ? answers[0] : answers));
      const request = { ...fields, message, answer };
      requests.push(request);
      handle(request);
    }
  });
  await bus.flush();
  return {
    requests,
    cancellations,
    get messages() {
      return messages;
    },
    stop: () => subscription.unsubscribe(),
  };
}

export function resultFor(id: string, label = 0): Result {
  return {
    id,
    label,
    certainty: 0.9,
    model: 'linear',
    stage: 0,
    exit: 'certain',
    gear: 3,
    revision: 1,
    timing: { queueMs: 1, computeMs: 2, totalMs: 3 },
  };
}
