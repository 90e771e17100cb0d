const units = ["B", "K", "M", "G", "T"] as const;

/** "512M", "1.5G", "4G": powers of 1024, as flags take them. */
export function renderSize(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  const rounded = amount < 10 && unit > 0 ? Math.round(amount * 10) / 10 : Math.round(amount);
  // 1023.9M would print as 1024M.
  if (rounded === 1024 && unit < units.length - 1) return `1${units[unit + 1]}`;
  return `${rounded}${units[unit]}`;
}

/** "-" stands for what is not known. */
export const sizeOrDash = (bytes: number | null): string => (bytes === null ? "-" : renderSize(bytes));

const steps = [
  { unit: "d", seconds: 86_400 },
  { unit: "h", seconds: 3600 },
  { unit: "m", seconds: 60 },
] as const;

/** Time since an ISO 8601 moment as one number: "12s", "5m", "3h", "40d". */
export function renderAge(since: string, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000));
  if (Number.isNaN(seconds)) return "?";
  const step = steps.find((candidate) => seconds >= candidate.seconds);
  return step === undefined ? `${seconds}s` : `${Math.floor(seconds / step.seconds)}${step.unit}`;
}

/** How long something took: "45 ms", "1.2 s", "3 min 5 s". */
export function renderElapsed(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
