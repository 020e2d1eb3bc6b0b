/** Binary min-heap with a total order (key, insertion sequence), so that equal keys leave in insertion order. */
export class Heap<T> {
  #items: { key: number; sequence: number; value: T }[] = [];
  #sequence = 0;

  get size(): number {
    return this.#items.length;
  }

  peekKey(): number | undefined {
    return this.#items[0]?.key;
  }

  push(key: number, value: T): void {
    const items = this.#items;
    const item = { key, sequence: this.#sequence++, value };
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (before(items[parent], item)) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined) return undefined;
    if (items.length > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= items.length) break;
        if (child + 1 < items.length && before(items[child + 1], items[child])) child++;
        if (before(last, items[child])) break;
        items[at] = items[child];
        at = child;
      }
      items[at] = last;
    }
    return top.value;
  }
}

function before(a: { key: number; sequence: number }, b: { key: number; sequence: number }): boolean {
  return a.key < b.key || (a.key === b.key && a.sequence < b.sequence);
}
