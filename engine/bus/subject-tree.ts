/** Members of one queue group on one pattern; the position remembers whose turn it is. */
interface Group<T> {
  readonly members: T[];
  next: number;
}

interface Node<T> {
  readonly children: Map<string, Node<T>>;
  readonly plain: T[];
  readonly groups: Map<string, Group<T>>;
}

/**
 * Who listens to a subject: patterns by token, with `*` for one token and `>` for one or more at the end, as NATS matches.
 * Members of a queue group take turns; `choose` replaces the turns by another choice among `n`.
 */
export class SubjectTree<T> {
  readonly #root: Node<T> = createNode();
  readonly #choose: ((n: number) => number) | undefined;

  constructor(choose?: (n: number) => number) {
    this.#choose = choose;
  }

  /** Returns the removal. */
  add(pattern: string, queue: string | undefined, listener: T): () => void {
    const node = this.#open(pattern);
    let list = node.plain;
    if (queue !== undefined) {
      const group: Group<T> = node.groups.get(queue) ?? { members: [], next: 0 };
      node.groups.set(queue, group);
      list = group.members;
    }
    list.push(listener);
    return () => {
      const at = list.indexOf(listener);
      if (at !== -1) list.splice(at, 1);
      if (queue !== undefined && list.length === 0) node.groups.delete(queue);
      this.#prune(this.#root, pattern.split('.'), 0);
    };
  }

  /** All plain listeners of the subject, and of each queue group one. */
  match(subject: string): T[] {
    const found: T[] = [];
    const groups = new Map<string, Group<T>[]>();
    collect(this.#root, subject.split('.'), 0, found, groups);
    for (const sameName of groups.values()) found.push(this.#pick(sameName));
    return found;
  }

  /** A queue's name makes one group of all its patterns that match. */
  #pick(groups: readonly Group<T>[]): T {
    const [turn] = groups;
    const members = groups.length === 1 ? turn.members : groups.flatMap((group) => group.members);
    const at = this.#choose === undefined ? turn.next++ % members.length : this.#choose(members.length);
    return members[at];
  }

  #open(pattern: string): Node<T> {
    let node = this.#root;
    for (const token of pattern.split('.')) {
      const child: Node<T> = node.children.get(token) ?? createNode();
      node.children.set(token, child);
      node = child;
    }
    return node;
  }

  /** Inboxes come and go: branches without listeners are cut. */
  #prune(node: Node<T>, tokens: readonly string[], depth: number): boolean {
    const child = node.children.get(tokens[depth]);
    if (child !== undefined && this.#prune(child, tokens, depth + 1)) node.children.delete(tokens[depth]);
    return node.children.size === 0 && node.plain.length === 0 && node.groups.size === 0;
  }
}

function createNode<T>(): Node<T> {
  return { children: new Map(), plain: [], groups: new Map() };
}

function collect<T>(node: Node<T>, tokens: readonly string[], depth: number, found: T[], groups: Map<string, Group<T>[]>): void {
  if (depth === tokens.length) {
    take(node, found, groups);
    return;
  }
  const exact = node.children.get(tokens[depth]);
  if (exact !== undefined) collect(exact, tokens, depth + 1, found, groups);
  const any = node.children.get('*');
  if (any !== undefined) collect(any, tokens, depth + 1, found, groups);
  const rest = node.children.get('>');
  if (rest !== undefined) take(rest, found, groups);
}

function take<T>(node: Node<T>, found: T[], groups: Map<string, Group<T>[]>): void {
  for (const listener of node.plain) found.push(listener);
  for (const [name, group] of node.groups) {
    const same = groups.get(name);
    if (same === undefined) groups.set(name, [group]);
    else same.push(group);
  }
}
