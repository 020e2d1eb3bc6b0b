/** Queue on a growing ring: push, unshift, shift and peek in constant time (`Array.shift` is linear). */
export class Ring<T> {
  #items: (T | undefined)[];
  #head = 0;
  #length = 0;

  constructor(capacity = 16) {
    this.#items = new Array(1 << Math.ceil(Math.log2(Math.max(2, capacity))));
  }

  get length(): number {
    return this.#length;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length++) & (this.#items.length - 1)] = item;
  }

  /** Puts an item first. */
  unshift(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.#length++;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  /** Removes and returns the chosen items, in linear time. The others keep their order. */
  drop(chosen: (item: T) => boolean): T[] {
    const dropped: T[] = [];
    for (let left = this.#length; left > 0; left--) {
      const item = this.shift() as T;
      if (chosen(item)) dropped.push(item);
      else this.push(item);
    }
    return dropped;
  }

  #grow(): void {
    const old = this.#items;
    this.#items = new Array(old.length * 2);
    for (let i = 0; i < this.#length; i++) this.#items[i] = old[(this.#head + i) & (old.length - 1)];
    this.#head = 0;
  }
}
