import type { Context } from "../context.ts";

/**
 * Runs `action` with the local terminal in raw mode. The terminal is put back however the action ends, and also when
 * the process exits in the middle of it (a third Ctrl-C, a fault, SIGTERM or SIGHUP after they aborted the action).
 */
export async function withRawMode<T>(context: Context, action: () => Promise<T>): Promise<T> {
  const restore = (): void => context.stdin.setRawMode(false);
  const forget = context.onExit(restore);
  try {
    context.stdin.setRawMode(true);
    return await action();
  } finally {
    restore();
    forget();
  }
}
