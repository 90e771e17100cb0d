/**
 * Waits until all have ended, however, and then throws what the first of them that failed has thrown: nothing is still
 * going on when the caller takes back what was done.
 */
export async function together(...tasks: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === "rejected") throw result.reason;
}
