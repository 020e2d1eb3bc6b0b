/** Starts a clock of the processor time that this process takes, all its threads together; the call of the result reads it. */
export function processorSeconds(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
}
