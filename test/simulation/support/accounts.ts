interface Account {
  handed: number;
  /** Answered, refused or sent on. */
  passed: number;
}

/** How often each process was handed each request, and what it did with it: actors do not make up answers. */
export class Accounts {
  readonly #violated: (what: string) => void;
  /** By process, then by id. */
  readonly #accounts = new Map<string, Map<string, Account>>();

  constructor(violated: (what: string) => void) {
    this.#violated = violated;
  }

  /** A new process has not been handed anything. */
  started(process: string): void {
    this.#accounts.set(process, new Map());
  }

  handed(process: string, id: string): void {
    this.#of(process, id).handed++;
  }

  /** At most once each time it was handed over. */
  passed(process: string, id: string): void {
    const account = this.#of(process, id);
    if (++account.passed > account.handed)
      this.#violated(
        `${process} was handed ${id} ${account.handed} times and has answered or sent it on ${account.passed} times`,
      );
  }

  /** A frontend may send its requests more than once, but no others. */
  mustHave(process: string, id: string): void {
    if (this.#of(process, id).handed === 0) this.#violated(`${process} sent ${id}, which it was not asked`);
  }

  #of(process: string, id: string): Account {
    let ids = this.#accounts.get(process);
    if (ids === undefined) {
      ids = new Map();
      this.#accounts.set(process, ids);
    }
    let account = ids.get(id);
    if (account === undefined) {
      account = { handed: 0, passed: 0 };
      ids.set(id, account);
    }
    return account;
  }
}
