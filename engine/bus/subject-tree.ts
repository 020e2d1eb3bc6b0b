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
 * Listeners by subject pattern, with `*` for one token and `>` for one or more at the end, matching as NATS does. Members of a queue
 * group take turns; `choose` replaces the turns by another choice among `n`.
 */
export class SubjectTree<T> {
  readonly #root: Node<T> = createNode();
  readonly #choose: ((n: number) => number) | undefined;

  constructor(choose?: (n: number) => number) {
    this.#choose = choose;
  }

  /** Returns a function that removes it. */
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

  /** All plain listeners of the subject, and one of each queue group. */
  match(subject: string): T[] {
    const found: T[] = [];
    const groups = collect(this.#root, subject, 0, found, undefined);
    if (groups !== undefined) for (const sameName of groups.values()) found.push(this.#pick(sameName));
    return found;
  }

  /** All matching patterns with the same queue name form one group. */
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

  /** Removes branches without listeners, because inboxes come and go. */
  #prune(node: Node<T>, tokens: readonly string[], depth: number): boolean {
    const child = node.children.get(tokens[depth]);
    if (child !== undefined && this.#prune(child, tokens, depth + 1)) node.children.delete(tokens[depth]);
    return node.children.size === 0 && node.plain.length === 0 && node.groups.size === 0;
  }
}

function createNode<T>(): Node<T> {
  return { children: new Map(), plain: [], groups: new Map() };
}

type Groups<T> = Map<string, Group<T>[]>;

/**
 * Runs for every published message, so it allocates only its results.
 * @param from start of the token in the subject that the node's children stand for.
 * @returns the queue groups found so far; undefined when there are none.
 */
function collect<T>(
  node: Node<T>,
  subject: string,
  from: number,
  found: T[],
  groups: Groups<T> | undefined,
): Groups<T> | undefined {
  if (from > subject.length) return take(node, found, groups);
  if (node.children.size === 0) return groups;
  const dot = subject.indexOf('.', from);
  const end = dot === -1 ? subject.length : dot;
  let all = groups;
  const exact = node.children.get(subject.slice(from, end));
  if (exact !== undefined) all = collect(exact, subject, end + 1, found, all);
  const any = node.children.get('*');
  if (any !== undefined) all = collect(any, subject, end + 1, found, all);
  const rest = node.children.get('>');
  return rest === undefined ? all : take(rest, found, all);
}

function take<T>(node: Node<T>, found: T[], groups: Groups<T> | undefined): Groups<T> | undefined {
  for (const listener of node.plain) found.push(listener);
  if (node.groups.size === 0) return groups;
  const all: Groups<T> = groups ?? new Map();
  for (const [name, group] of node.groups) {
    const same = all.get(name);
    if (same === undefined) all.set(name, [group]);
    else same.push(group);
  }
  return all;
}
