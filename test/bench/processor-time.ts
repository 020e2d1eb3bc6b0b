/** Starts measuring the processor time of this process, including all its threads; call the result to read it. */
export function processorSeconds(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
}
