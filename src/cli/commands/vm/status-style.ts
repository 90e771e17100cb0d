import type { VmStatus } from "../../../types.ts";
import type { Style } from "../../render/style.ts";

const styles: Readonly<Record<VmStatus, Style | undefined>> = {
  created: undefined,
  running: "good",
  paused: "warning",
  stopped: "dim",
  failed: "bad",
};

export const statusStyle = (status: VmStatus): Style | undefined => styles[status];
