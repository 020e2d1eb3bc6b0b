/** What a server keeps was gone, and has been made anew: empty. */
export interface Loss {
  readonly kind: 'stream' | 'consumer' | 'bucket';
  readonly name: string;
  /** Whether this process made it anew; others only notice that it is not what it was. */
  readonly byUs: boolean;
}

const LEFT: Readonly<Record<Loss['kind'], string>> = {
  stream: 'without the messages that were in it',
  consumer: 'and delivers all that is in the stream',
  bucket: 'without the values that were in it',
};

export function describeLoss({ kind, name }: Loss): string {
  return `the NATS server had lost ${kind} ${name}; it is there again, ${LEFT[kind]}`;
}

/** Something that this process needs a server to keep. */
export interface Declaration {
  readonly kind: Loss['kind'];
  readonly name: string;
  /** Makes it, or gives what is there these limits. */
  declare(): Promise<void>;
  /** When the server made it; undefined when it is not there. */
  madeAt(): Promise<string | undefined>;
}

interface Declared {
  readonly declaration: Declaration;
  madeAt: string | undefined;
}

/**
 * Declares again what servers lose: somebody deletes it, or a server comes back without its store. Nobody says so: a server of
 * version 2.9 lets those who ask a consumer that is not there wait in silence.
 */
export class Declarations {
  readonly #declared = new Map<string, Declared>();
  readonly #onLoss: (loss: Loss) => void;

  /** @param onLoss is called when what was lost is there again. */
  constructor(onLoss: (loss: Loss) => void) {
    this.#onLoss = onLoss;
  }

  async add(declaration: Declaration): Promise<void> {
    await declaration.declare();
    const key = keyOf(declaration);
    const madeAt = await declaration.madeAt();
    const known = this.#declared.get(key);
    this.#declared.set(key, { declaration, madeAt });
    if (known !== undefined && known.madeAt !== madeAt) this.#tell(declaration, true);
  }

  /** Looks whether all is still there. Throws the first error, after a look at all. */
  async check(): Promise<void> {
    const errors: unknown[] = [];
    for (const declared of [...this.#declared.values()]) {
      await this.#restore(declared).catch((error) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  async #restore(declared: Declared): Promise<void> {
    const { declaration, madeAt } = declared;
    let found = await declaration.madeAt();
    if (found !== undefined && found === madeAt) return;
    const byUs = found === undefined;
    if (byUs) {
      await declaration.declare();
      found = await declaration.madeAt();
    }
    // Others of this process may have declared it meanwhile.
    if (this.#declared.get(keyOf(declaration)) !== declared) return;
    declared.madeAt = found;
    this.#tell(declaration, byUs);
  }

  #tell({ kind, name }: Declaration, byUs: boolean): void {
    this.#onLoss({ kind, name, byUs });
  }
}

function keyOf({ kind, name }: Declaration): string {
  return `${kind} ${name}`;
}
