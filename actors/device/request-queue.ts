import { Ring } from '../../engine/collections/ring.ts';
import { LOOK_AHEAD } from '../../plans/policy/batch-key.ts';

/** A queue that returns its oldest request together with others that may share its batch (see `batchKeyRule`), even from further back. */
export class RequestQueue<T extends { readonly batchKey?: string | undefined }> {
  readonly #ring = new Ring<T>();

  get length(): number {
    return this.#ring.length;
  }

  peek(): T | undefined {
    return this.#ring.peek();
  }

  push(value: T): void {
    this.#ring.push(value);
  }

  /**
   * Takes requests that may share a batch, one by one in order, until `take` returns that it was the last.
   * @param batchKey default: that of the oldest.
   */
  takeCompatible(take: (value: T) => 'more' | 'last', batchKey = this.#ring.peek()?.batchKey): void {
    const passedOver: T[] = [];
    while (passedOver.length < LOOK_AHEAD) {
      const value = this.#ring.shift();
      if (value === undefined) break;
      if (value.batchKey !== batchKey) passedOver.push(value);
      else if (take(value) === 'last') break;
    }
    for (let i = passedOver.length - 1; i >= 0; i--) this.#ring.unshift(passedOver[i]);
  }

  /** Removes and returns the chosen requests, wherever they are. */
  drop(chosen: (value: T) => boolean): T[] {
    return this.#ring.drop(chosen);
  }

  /** Empties the queue; returns how many were in it. */
  clear(): number {
    const { length } = this.#ring;
    while (this.#ring.shift() !== undefined);
    return length;
  }
}
