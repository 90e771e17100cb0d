const units = ["B", "K", "M", "G", "T", "P"] as const;

/** Bytes in the form that the command line takes: "512M", "4G", "1.5G" (powers of 1024). */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)}${units[unit]}`;
}
