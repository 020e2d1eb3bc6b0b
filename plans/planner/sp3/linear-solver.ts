import highsModule from 'highs';

// The package's types describe CommonJS: for an ES module, their `.default` is the import itself.
const loadHighs = highsModule as unknown as typeof highsModule.default;

/** Compiled once for all solvers of a process. */
let loaded: ReturnType<typeof loadHighs> | undefined;

type Highs = Awaited<ReturnType<typeof loadHighs>>;
type Model = ReturnType<Highs['createModel']>;

/** Upper bound of a variable: programs are scaled so that values are near 1, and HiGHS works better with bounds. */
const UPPER = 1e6;

export type Entry = readonly [column: number, value: number];

/** lower <= sum of value * variable <= upper */
export interface Row {
  readonly lower: number;
  readonly upper: number;
  readonly entries: readonly Entry[];
}

export interface MixedIntegerOptions {
  /** Per variable: whether it must be an integer. */
  readonly integer: readonly boolean[];
  /** Relative distance to the proven bound at which the search may end. */
  readonly relativeGap: number;
  /** Limit on branch-and-bound nodes. Unlike a time limit, it gives the same answer on every machine. */
  readonly maxNodes: number;
  /** Guards against a program stuck within one node; when it is reached, there is no answer. */
  readonly timeLimitSeconds: number;
}

/**
 * Minimises small linear and mixed-integer programs over variables in [0, 1e6] with HiGHS. Reuses one model, because creating one
 * costs more than solving a small program.
 */
export class LinearSolver {
  readonly #highs: Highs;
  readonly #model: Model;
  readonly infinity: number;
  /** Programs solved. */
  solved = 0;

  private constructor(highs: Highs) {
    this.#highs = highs;
    this.infinity = highs.infinity;
    this.#model = highs.createModel();
  }

  static async create(): Promise<LinearSolver> {
    loaded ??= loadHighs();
    return new LinearSolver(await loaded);
  }

  /** HiGHS holds memory outside the heap. */
  dispose(): void {
    this.#model.dispose();
  }

  /** @returns the value of each variable. @throws Error if HiGHS finds no optimum, which is a defect of the program. */
  minimise(objective: readonly number[], rows: readonly Row[]): Float64Array {
    // A limit set for a mixed-integer program would apply to this one too, and its clock runs on across programs.
    this.#model.options.set({ output_flag: false, presolve: 'off', time_limit: Number.MAX_VALUE });
    this.#pass(objective, rows, undefined);
    this.#model.run();
    this.solved++;
    const status = this.#model.getModelStatus();
    if (status !== this.#highs.constants.modelStatus.optimal) throw new Error(`linear program ended with HiGHS status ${status}`);
    return this.#model.getSolution().colValue;
  }

  /** @returns the value of each variable; undefined if the program is infeasible or too hard for the limits. */
  minimiseMixed(objective: readonly number[], rows: readonly Row[], options: MixedIntegerOptions): Float64Array | undefined {
    this.#model.options.set({
      output_flag: false,
      presolve: 'on',
      mip_rel_gap: options.relativeGap,
      mip_max_nodes: options.maxNodes,
      time_limit: options.timeLimitSeconds,
    });
    this.#model.zeroAllClocks();
    this.#pass(objective, rows, options.integer);
    this.#model.run();
    this.solved++;
    const status = this.#model.getModelStatus();
    return status === this.#highs.constants.modelStatus.optimal ? this.#model.getSolution().colValue : undefined;
  }

  #pass(objective: readonly number[], rows: readonly Row[], integer: readonly boolean[] | undefined): void {
    const columns = objective.length;
    const starts = [0];
    for (const row of rows) starts.push(starts[starts.length - 1] + row.entries.length);
    const { objectiveSense, variableType } = this.#highs.constants;
    this.#model.passModel({
      sense: objectiveSense.minimize,
      numCols: columns,
      numRows: rows.length,
      colCost: objective,
      colLower: objective.map(() => 0),
      colUpper: objective.map(() => UPPER),
      rowLower: rows.map((row) => row.lower),
      rowUpper: rows.map((row) => row.upper),
      matrix: {
        format: 'csr',
        numRows: rows.length,
        numCols: columns,
        starts,
        indices: rows.flatMap((row) => row.entries.map(([column]) => column)),
        values: rows.flatMap((row) => row.entries.map(([, value]) => value)),
      },
      ...(integer && { integrality: integer.map((whole) => (whole ? variableType.integer : variableType.continuous)) }),
    });
  }
}
