import type { Bus } from '../../engine/bus/bus.ts';
import { UNSERVED } from '../../plans/protocol/unserved.ts';
import { sendFailure, sendResult } from '../frontend/answers.ts';
import type { Answer } from './device-effects.ts';
import type { DoneNotes } from './done-notes.ts';

/** Answers a client and tells its frontend that the request has ended. False when there is no connection. */
export function sendAnswer(bus: Bus, notes: DoneNotes, answer: Answer): boolean {
  const { reply, id, json } = answer.request.item;
  if (answer.type === 'result') {
    if (!sendResult(bus, reply, answer.result, json)) return false;
    notes.ended(answer.request, true);
    return true;
  }
  const { reason, message, retryAfterMs } = answer;
  const { code } = UNSERVED[reason];
  if (!sendFailure(bus, reply, id, code, message, json, retryAfterMs)) return false;
  // A refused request says nothing about the speed at which requests are computed.
  notes.ended(answer.request, code === 'INTERNAL' || code === 'INVALID_ARGUMENT');
  return true;
}
