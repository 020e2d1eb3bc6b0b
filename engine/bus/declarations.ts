/** Something kept by a server was lost and has been recreated, empty. */
export interface Loss {
  readonly kind: 'stream' | 'consumer' | 'bucket';
  readonly name: string;
  /** Whether this process recreated it; others only notice that it has changed. */
  readonly byUs: boolean;
}

const LEFT: Readonly<Record<Loss['kind'], string>> = {
  stream: 'without its messages',
  consumer: 'and delivers everything in the stream',
  bucket: 'without its values',
};

export function describeLoss({ kind, name }: Loss): string {
  return `the NATS server had lost ${kind} ${name}; it has been recreated, ${LEFT[kind]}`;
}

/** Something that this process needs a server to keep. */
export interface Declaration {
  readonly kind: Loss['kind'];
  readonly name: string;
  /** Creates it, or updates the limits of the existing one. */
  declare(): Promise<void>;
  /** When the server created it; undefined when it does not exist. */
  madeAt(): Promise<string | undefined>;
}

interface Declared {
  readonly declaration: Declaration;
  madeAt: string | undefined;
}

/**
 * Recreates what servers lose, because somebody deletes it or a server comes back without its store. Nothing announces this: version
 * 2.9 lets clients of a missing consumer wait in silence.
 */
export class Declarations {
  readonly #declared = new Map<string, Declared>();
  readonly #onLoss: (loss: Loss) => void;

  /** @param onLoss called when something lost has been recreated. */
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

  /** Checks that everything still exists. Throws the first error after checking all. */
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
    // Another part of this process may have declared it meanwhile.
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
