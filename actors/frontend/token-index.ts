import type { Cancellation } from '../../plans/protocol/control-messages.ts';

interface Cancellable {
  /** Undefined: it cannot be cancelled. */
  readonly token: string | undefined;
  readonly item: { readonly id: string; readonly seq: number };
}

/** Requests in flight by token and id, so that their clients can cancel them. */
export class TokenIndex<T extends Cancellable> {
  readonly #byToken = new Map<string, Map<string, T>>();

  /** With equal token and id, the later request is found. */
  add(entry: T): void {
    if (entry.token === undefined) return;
    const byId = this.#byToken.get(entry.token) ?? new Map<string, T>();
    byId.set(entry.item.id, entry);
    this.#byToken.set(entry.token, byId);
  }

  remove({ token, item }: Cancellable): void {
    if (token === undefined) return;
    const byId = this.#byToken.get(token);
    if (byId?.get(item.id)?.item.seq !== item.seq) return;
    byId.delete(item.id);
    if (byId.size === 0) this.#byToken.delete(token);
  }

  /** Removes and returns the requests that a cancellation refers to. */
  take({ token, ids }: Cancellation): T[] {
    const byId = this.#byToken.get(token);
    if (byId === undefined) return [];
    const entries = ids === null ? [...byId.values()] : [...new Set(ids)].flatMap((id) => byId.get(id) ?? []);
    for (const entry of entries) this.remove(entry);
    return entries;
  }
}
