/**
 * Refusals: how much processor time a hostile message costs a frontend, and how much output it causes. Each body is sent alone to a
 * frontend on the in-process bus; prints the median of many.
 *
 * Usage: npm run bench:refusals
 */
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';
import { median, writeResult } from './machine.ts';

const REPETITIONS = 21;
const FRAME_BYTES = 8_192;
const MANY_INPUTS: readonly TensorSpec[] = Array.from({ length: 100 }, (_, i) => ({
  name: `feature_${i}`,
  dtype: 'float32',
  shape: [1],
}));

/** As many of these as fit, followed by a request with wrong inputs. */
function frame(request: unknown, json: boolean): Uint8Array {
  const one = json ? JSON.stringify(request).length + 1 : encode(request).length;
  const count = Math.min(4_096, Math.floor(FRAME_BYTES / one));
  return body([{ inputs: {} }, ...new Array(count - 1).fill(request)], json);
}

function body(value: unknown, json: boolean): Uint8Array {
  return json ? Buffer.from(JSON.stringify(value)) : encode(value);
}

function nested(depth: number): unknown {
  return depth === 0 ? 0 : [nested(depth - 1)];
}

const keys = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, 0]));
const bodies = [true, false].flatMap((json) =>
  Object.entries({
    'no requests at all': body(new Array(4_096).fill(0), json),
    'no requests but one': frame(0, json),
    'empty requests': frame({}, json),
    'empty, with ids': frame({ id: 'a' }, json),
    'unknown field': frame({ x: 0 }, json),
    'unknown input': frame({ inputs: { y: 0 } }, json),
    'missing input': frame({ id: 'a', inputs: {} }, json),
    'unknown output': frame({ inputs: { x: [1, 9, 0] }, outputs: ['y'] }, json),
    'nested too deep': body(nested(500), json),
    'frame of 500,000 in 1 MB': body(new Array(500_000).fill(0), json),
    '60,000 fields in 1 MB': body(keys, json),
  }).map(([what, data]) => ({ what: `${what}${json ? ', JSON' : ''}`, data })),
);

async function measure(specs: readonly TensorSpec[] | undefined) {
  const plane = await startVirtualPlane(planOf({ models: ['small', 'large'] }), specs && { specs });
  const replies = { bytes: 0, messages: 0 };
  plane.bus.messages$('hostile').subscribe(({ data }) => {
    replies.bytes += data.length;
    replies.messages++;
  });
  const rows = [];
  for (const { what, data } of bodies) {
    const ms: number[] = [];
    for (let i = 0; i < REPETITIONS; i++) {
      replies.bytes = 0;
      replies.messages = 0;
      plane.bus.publish('cascade.test.infer', data, { reply: 'hostile' });
      const from = process.cpuUsage();
      plane.clock.runUntil(plane.clock.now());
      const { user, system } = process.cpuUsage(from);
      ms.push((user + system) / 1_000);
    }
    rows.push({ what, bytes: data.length, processorMs: median(ms), replyBytes: replies.bytes, replies: replies.messages });
  }
  return rows;
}

const result = { oneInput: await measure(undefined), manyInputs: await measure(MANY_INPUTS) };
for (const rows of Object.values(result)) console.table(rows);
console.log(`written to ${writeResult('refusals', result)}`);
