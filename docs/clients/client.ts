// npm install cascadeserve rxjs; node client.ts (Node 22.18 or newer; with older ones, npx tsx client.ts)
import { type Answer, connectCascade, isFailure } from 'cascadeserve';
import { firstValueFrom, toArray } from 'rxjs';

const servers = process.env.NATS_URL ?? 'nats://127.0.0.1:4222';
const client = await connectCascade({ servers, deployment: 'fashion' });
const image = (grey: number) => new Uint8Array(28 * 28).fill(grey);

/** A failure is an answer as well: of `infer` it is an exception, elsewhere it comes like the results. */
function describe(answer: Answer): string {
  if (isFailure(answer)) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return `label ${answer.label} by ${answer.model}`;
}

// Listens before anything is asked: NATS delivers to those who are there.
const stored = firstValueFrom(client.results$('typescript'));

// One request, one answer.
const result = await client.infer({ image: image(0) }, { deadlineMs: 30_000 });
console.log(`request: ${describe(result)}`);

// Many: the client puts requests that are made together into frames. Answers come as they are ready, or in order.
const requests = [0, 128, 255].map((grey) => ({ id: `grey-${grey}`, inputs: { image: image(grey) }, deadlineMs: 30_000 }));
for (const answer of await firstValueFrom(client.inferMany(requests, { ordered: true }).pipe(toArray())))
  console.log(`frame: ${answer.id} ${describe(answer)}`);

// Stored first, answered later, whatever crashes meanwhile; the answer goes to cascade.fashion.results.typescript.
const { stream } = await client.enqueue({ image: image(255) }, { id: 'typescript-1', results: 'typescript' });
const answer = await stored;
console.log(`durable: ${answer.id}, which ${stream} has stored, ${describe(answer)}`);

await client.close();
