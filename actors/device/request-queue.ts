import { LOOK_AHEAD } from '../../plans/policy/company.ts';

interface Node<T> {
  readonly value: T;
  next: Node<T> | undefined;
}

/** A queue from which the oldest is taken together with those of its company (see `companyRule`), which may stand further back. */
export class RequestQueue<T extends { readonly company?: string | undefined }> {
  #head: Node<T> | undefined;
  #tail: Node<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  peek(): T | undefined {
    return this.#head?.value;
  }

  push(value: T): void {
    const node: Node<T> = { value, next: undefined };
    if (this.#tail === undefined) this.#head = node;
    else this.#tail.next = node;
    this.#tail = node;
    this.#length++;
  }

  /** Takes the oldest and those of its company, one after the other in their order, until `take` says that it was the last. */
  takeAlike(take: (value: T) => 'more' | 'last'): void {
    const company = this.#head?.value.company;
    let before: Node<T> | undefined;
    let passedOver = 0;
    for (let node = this.#head; node !== undefined && passedOver < LOOK_AHEAD; node = node.next) {
      if (node.value.company !== company) {
        before = node;
        passedOver++;
        continue;
      }
      if (before === undefined) this.#head = node.next;
      else before.next = node.next;
      if (node === this.#tail) this.#tail = before;
      this.#length--;
      if (take(node.value) === 'last') return;
    }
  }

  /** Empties the queue; returns how many were in it. */
  clear(): number {
    const length = this.#length;
    this.#head = undefined;
    this.#tail = undefined;
    this.#length = 0;
    return length;
  }
}
