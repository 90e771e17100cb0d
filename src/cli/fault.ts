import type { StepObserver } from "../state/journal.ts";

/**
 * For tests: `EMBER_FAULT=kill:OPERATION:STEP:before|after` ends this process, as power loss would, at that step of
 * that operation; `pause:...` stops it there until it is continued. Anything else is ignored.
 */
export function faultObserver(wish: string): { readonly onStep?: StepObserver } {
  const [action, operation, step, phase] = wish.split(":");
  if (action !== "kill" && action !== "pause") return {};
  return {
    onStep: (kind, name, when) => {
      if (kind === operation && name === step && when === phase) {
        process.kill(process.pid, action === "kill" ? "SIGKILL" : "SIGSTOP");
      }
    },
  };
}
