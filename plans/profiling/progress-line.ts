/** Progress of a long command, on its error stream: one line that changes on a terminal, a line per step elsewhere. */
export interface ProgressLine {
  show(step: string, fraction: number): void;
  /** Prints a line that stays. */
  say(text: string): void;
  clear(): void;
}

const BAR = 24;

export function progressLine(stream: NodeJS.WriteStream): ProgressLine {
  const wipe = stream.isTTY ? '\r\x1b[K' : '';
  let lastTenth = -1;
  return {
    show(step, fraction) {
      if (stream.isTTY) {
        const filled = Math.round(fraction * BAR);
        stream.write(
          `${wipe}${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${Math.round(fraction * 100)} % ${step}`.slice(
            0,
            stream.columns,
          ),
        );
        return;
      }
      const tenth = Math.floor(fraction * 10);
      if (tenth === lastTenth) return;
      lastTenth = tenth;
      stream.write(`${step}\n`);
    },
    say: (text) => void stream.write(`${wipe}${text}\n`),
    clear: () => void stream.write(wipe),
  };
}
